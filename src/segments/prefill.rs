//! Prefilled segments: line feeds behind the last line, over which the next lines are written, so that a sync need not
//! make the file longer. They are no part of the segment; here is found where that ends.
//!
//! A line that is being written over them, or was when a crash came, ends in one of them and looks whole. So the first of
//! several line feeds behind the last bytes counts only if they end as a line does: what does not is half a line, as at the
//! end of any file. A single one ends a line, whatever stands before it: so a recovery leaves what it keeps.

use crate::format::line::{SUFFIX, stated_checksum};
use crate::storage::{StorageFile, read_full};
use std::io;

/// How much is read at once on the way to the end.
const BLOCK: u64 = 64 << 10;
/// How much is read first: whoever follows a writer finds the end there.
const FIRST_BLOCK: u64 = 4 << 10;

/// Where the lines end in a file of `len` bytes that was prefilled: before all the line feeds at its end but one. What the
/// disk refuses to give counts as lines: whoever reads them will see.
pub(crate) fn end_of_lines(file: &dyn StorageFile, len: u64) -> u64 {
    last_line(file, len).unwrap_or(len)
}

/// The same while its writer writes: where the first empty line stands at or behind `from`, where a line starts.
pub(crate) fn first_empty_line(file: &dyn StorageFile, from: u64, len: u64) -> u64 {
    first_gap(file, from, len).unwrap_or(len)
}

fn last_line(file: &dyn StorageFile, len: u64) -> io::Result<u64> {
    let mut end = len;
    let mut buffer = Vec::new();
    while end > 0 {
        let from = end.saturating_sub(if end == len { FIRST_BLOCK } else { BLOCK });
        read(file, &mut buffer, from, end)?;
        if let Some(last) = buffer.iter().rposition(|byte| *byte != b'\n') {
            let end = from + last as u64 + 1;
            return if end + 1 == len { Ok(len) } else { behind_last_byte(file, end, len) };
        }
        end = from;
    }
    Ok(0)
}

fn first_gap(file: &dyn StorageFile, from: u64, len: u64) -> io::Result<u64> {
    let mut buffer = Vec::new();
    let mut at = from;
    // What stands before `from` ends a line.
    let mut behind_line_feed = true;
    while at < len {
        let to = len.min(at + if at == from { FIRST_BLOCK } else { BLOCK });
        read(file, &mut buffer, at, to)?;
        if behind_line_feed && buffer.first() == Some(&b'\n') {
            return behind_last_byte(file, at - u64::from(at > from), len);
        }
        if let Some(empty) = memchr::memmem::find(&buffer, b"\n\n") {
            return behind_last_byte(file, at + empty as u64, len);
        }
        behind_line_feed = buffer.last() == Some(&b'\n');
        at = to;
    }
    Ok(len)
}

/// Where the lines end, if the last byte that is no line feed stands before `end`.
fn behind_last_byte(file: &dyn StorageFile, end: u64, len: u64) -> io::Result<u64> {
    let mut suffix = Vec::new();
    read(file, &mut suffix, end.saturating_sub(SUFFIX as u64), end)?;
    let is_line = end < len && stated_checksum(&suffix).is_some();
    Ok(end + u64::from(is_line))
}

/// Reads these bytes, or as many of them as there are.
fn read(file: &dyn StorageFile, buffer: &mut Vec<u8>, from: u64, to: u64) -> io::Result<()> {
    buffer.resize((to - from) as usize, 0);
    let read = read_full(file, buffer, from)?;
    buffer.truncate(read);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::line::Tail;
    use crate::model::time::Timestamp;
    use crate::storage::{Access, DiskStorage, Storage, StorageFile};
    use std::sync::Arc;

    fn opened(dir: &tempfile::TempDir) -> std::io::Result<Arc<dyn StorageFile>> {
        DiskStorage.open_dir(dir.path())?.open("file", Access::Read)
    }

    /// Goal: both find the end of the last line, or of half a line behind it, wherever blocks end. Method: every number of
    /// line feeds up to a block's, a line that crosses blocks, and a line that is there in part.
    #[test]
    fn both_ways_find_where_the_lines_end() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        let line = |seq: u64, len: usize| {
            let (mut line, data) = (Vec::new(), format!("{{\"text\":\"{}\"}}", "x".repeat(len)));
            Tail::new("a", None, None, data.as_bytes()).write_line(
                &mut line,
                seq,
                0,
                &Timestamp::from_micros(0).to_bytes(),
            );
            line
        };
        for (second, ahead) in [(1, 1), (1, 2), (1, 5_000), (4_096 - 400, 3), (70_000, 70_000), (130_000, 9)] {
            let (first, second) = (line(1, 20), line(2, second));
            for kept in [0, 1, second.len() - 2, second.len() - 1] {
                let mut bytes = [&first[..], &second[..kept]].concat();
                let whole = kept == second.len() - 1;
                let end = bytes.len() + usize::from(whole);
                bytes.resize(first.len() + second.len() + ahead, b'\n');
                std::fs::write(&path, &bytes).expect("a file");
                let file = opened(&dir).expect("the file");
                let (from, len, end) = (first.len() as u64, bytes.len() as u64, end as u64);
                assert_eq!(end_of_lines(&*file, len), end, "{kept} of {}, {ahead}", second.len());
                for from in [0, from].into_iter().chain((whole).then_some(end)) {
                    assert_eq!(first_empty_line(&*file, from, len), end, "{kept} of {}, {ahead}, {from}", second.len());
                }
            }
        }
    }

    /// Goal: what a recovery has cut back stays as long as it is, also behind damage that it keeps. Method: bytes that end as
    /// no line does, with one line feed behind them.
    #[test]
    fn a_single_line_feed_ends_a_line_whatever_stands_before_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        for bytes in [&b"x\n"[..], b"{}\n\0\0\n", b"\n\0\n"] {
            std::fs::write(&path, bytes).expect("a file");
            let file = opened(&dir).expect("the file");
            assert_eq!(end_of_lines(&*file, bytes.len() as u64), bytes.len() as u64, "{bytes:?}");
            let filled = [bytes, b"\n"].concat();
            std::fs::write(&path, &filled).expect("a file");
            let file = opened(&dir).expect("the file");
            assert_eq!(end_of_lines(&*file, filled.len() as u64), bytes.len() as u64 - 1, "{bytes:?}, filled");
        }
    }
}
