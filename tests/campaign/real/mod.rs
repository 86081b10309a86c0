//! What kernels, file systems and disks do, done to journals on real ones.

pub mod cuts;
pub mod disks;
mod ledger;
mod mount;
