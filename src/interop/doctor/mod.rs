//! What is wrong with a file of JSON lines, of any agent or of none, and what can be saved of it.
//!
//! Pure: bytes in, findings out, a line at a time; a good line is looked at and not copied. Bytes are judged in `jsonl`;
//! how records hang together is in `chain`, from what `links` reads out of each format's records.

mod chain;
mod examine;
mod finding;
mod links;
mod repair;

pub use examine::{Doctor, Examined, Mended};
pub use finding::{Finding, FindingKind};
