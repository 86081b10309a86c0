//! Files read a megabyte at a time and split into lines: what every reader of a log does at least.

use crate::Result;
use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::path::PathBuf;

/// How much is read at once.
pub(crate) const BLOCK: usize = 1 << 20;
/// `,"crc":"9f3a61c2"}`, without the line break
const CHECKSUM: usize = 18;

/// Calls `each` with every line, and returns how many there were.
pub(crate) fn split(mut from: impl Read, mut each: impl FnMut(&mut [u8])) -> Result<u64> {
    let (mut buffer, mut held, mut lines) = (vec![0; BLOCK], 0, 0);
    loop {
        let read = from.read(&mut buffer[held..])?;
        if read == 0 {
            return Ok(lines);
        }
        let (mut start, filled) = (0, held + read);
        while let Some(length) = memchr::memchr(b'\n', &buffer[start..filled]) {
            each(&mut buffer[start..start + length]);
            start += length + 1;
            lines += 1;
        }
        buffer.copy_within(start..filled, 0);
        held = filled - start;
    }
}

/// The lines of several files.
pub(crate) fn of_files(paths: &[PathBuf], mut each: impl FnMut(&mut [u8])) -> Result<u64> {
    let mut lines = 0;
    for path in paths {
        lines += split(File::open(path)?, &mut each)?;
    }
    Ok(lines)
}

/// Takes the checksum of a line of ours.
pub(crate) fn checksum(line: &[u8]) {
    black_box(crc32fast::hash(&line[..line.len().saturating_sub(CHECKSUM)]));
}

/// Looks whether a line is UTF-8.
pub(crate) fn utf8(line: &[u8]) {
    let _ = black_box(simdutf8::basic::from_utf8(line));
}
