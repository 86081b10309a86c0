//! What kernels, file systems and disks do, done to journals on real ones.

pub mod child;
pub mod conditions;
pub mod cuts;
pub mod disks;
pub mod errors;
pub mod kills;
mod ledger;
mod mount;
mod pipe;
mod scripts;
