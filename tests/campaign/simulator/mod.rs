//! A simulated disk, the histories that are lived on it, and the oracle that looks at every crash of them.
//!
//! - `disk`: what programs see, what the platter has, and every change between them; `crash`: what is left of those
//! - `storage`: that disk as foldlog's storage; `faults`: what calls do wrong; `lies`: what the canaries' storage leaves out
//! - `author`, `script`: what is recorded, and by which steps; `life`: one process of it; `run`: a whole history
//! - `knowledge`, `oracle`, `view`, `check`: what is known, and what must be so after each crash
//! - `shrink`: the shortest history that still fails
//! - `random`, `exhaustive`, `canaries`, `repeat`, `taken`: the parts of the campaign

mod author;
mod check;
mod crash;
mod disk;
mod faults;
mod knowledge;
mod life;
mod lies;
mod oracle;
mod run;
mod script;
mod shrink;
mod storage;
mod taken;
mod view;

mod canaries;
mod exhaustive;
mod random;
mod repeat;

pub use canaries::CANARIES;
pub use exhaustive::EXHAUSTIVE;
pub use random::{SIMULATED, SYNC_FAILURES};
pub use repeat::SAME_SEED;
pub use taken::TAKEN;
