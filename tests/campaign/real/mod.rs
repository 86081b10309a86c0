//! What kernels, file systems and disks do, done to journals on real ones.

pub mod cuts;
mod ledger;
mod mount;
