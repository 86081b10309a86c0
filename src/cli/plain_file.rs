//! Files that are read because they were named: plain ones. A named pipe or a device may keep a reader for ever, and is
//! refused; what a pipe of the shell gives, as in `<(zcat log.gz)`, is kept first, since files are read more than once.

use rustix::fs::{MemfdFlags, OFlags, fcntl_setfl, fstatfs, memfd_create};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// What is said of anything else.
pub(crate) const NO_FILE: &str = "it is no file; save what it gives into one";
/// The file system of pipes without a name: `PIPEFS_MAGIC` of `linux/magic.h`.
const PIPES: u32 = 0x5049_5045;
/// The most bytes of a pipe that are kept: they are kept in memory.
const MOST_KEPT: u64 = 1 << 30;

/// Opens a plain file.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let file = open_any(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other(NO_FILE)),
    }
}

/// Opens whatever it is, without waiting for the other end of a named pipe.
fn open_any(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)
}

/// All that a pipe without a name gave, as a file.
#[derive(Debug)]
pub(crate) struct Kept(File);

impl Kept {
    /// Reads the pipe at a path such as `/dev/fd/63` to its end.
    pub(crate) fn of(path: &Path) -> io::Result<Kept> {
        if !std::fs::metadata(path)?.file_type().is_fifo() {
            return Err(io::Error::other(NO_FILE));
        }
        let pipe = open_any(path)?;
        if fstatfs(&pipe)?.f_type as u32 != PIPES {
            return Err(io::Error::other(NO_FILE));
        }
        fcntl_setfl(&pipe, OFlags::empty())?;
        let mut kept = File::from(memfd_create("foldlog", MemfdFlags::CLOEXEC)?);
        match io::copy(&mut pipe.take(MOST_KEPT + 1), &mut kept)? {
            0..=MOST_KEPT => Ok(Kept(kept)),
            _ => Err(io::Error::other("it gives more than 1 GiB; save that into a file")),
        }
    }

    /// Where it can be opened as long as this lives.
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }
}
