//! What is at the place of a file and is never opened: a link, a FIFO, a directory, a device, or a form that only a newer
//! version reads.

use super::{FileStatus, StorageFile};
use std::io;

/// In the place of a file, without any bytes. It has only a state.
#[derive(Debug)]
pub(crate) struct Unopened(pub(crate) FileStatus);

impl StorageFile for Unopened {
    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        Ok(0)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(0)
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn try_lock(&self, _: bool) -> io::Result<bool> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn status(&self) -> io::Result<FileStatus> {
        Ok(self.0)
    }
}
