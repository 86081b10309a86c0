//! foldlog's disk, which notes when each line was about to be written.

use crate::disk::{Watch, Watched};
use foldlog::StorageFile;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// A line's number, and a time.
pub(crate) type Stamp = (u64, u64);

/// Nanoseconds on a clock that all processes of the machine share.
pub(crate) fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The number that a line begins with; 0 if it is no entry.
pub(crate) fn seq_of(line: &[u8]) -> u64 {
    let digits = line.strip_prefix(b"{\"seq\":").unwrap_or_default();
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

/// Notes the time right before each `write(2)` of an entry.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stamps(Arc<Mutex<Vec<Stamp>>>);

/// [`DiskStorage`](foldlog::DiskStorage), with these times.
pub(crate) type Stamped = Watched<Stamps>;

impl Stamped {
    pub(crate) fn stamps(&self) -> Vec<Stamp> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Watch for Stamps {
    fn write(&self, file: &dyn StorageFile, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let at = now();
        let written = file.write_at(bytes, offset);
        let lines = bytes.split_inclusive(|byte| *byte == b'\n').map(|line| (seq_of(line), at));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(lines);
        written
    }
}
