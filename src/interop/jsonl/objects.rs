//! Whole objects inside a bad line: `}{`, a torn beginning with the next record glued to it, a record behind rubbish.
//!
//! A torn record may hold whole objects of its own. They are told from records by where they stand: a nested object
//! follows a colon, a comma or a bracket and is itself followed by more of the torn record.

use crate::interop::jsonl::IsRecord;
use serde::de::IgnoredAny;
use std::ops::Range;

/// How many bytes are looked at, for each byte of the line, before the search is given up.
const PATIENCE: usize = 16;

/// Where the whole records of a line stand, in order.
pub(super) fn whole_objects(bytes: &[u8], is_record: IsRecord<'_>) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut work = bytes.len().saturating_mul(PATIENCE).saturating_add(1 << 20);
    let mut from = 0;
    while let Some(at) = memchr::memchr(b'{', &bytes[from..]).map(|at| from + at) {
        let follows_record = found.last().is_some_and(|last| is_gap(&bytes[last.end..at]));
        let (looked_at, end) = object_at(&bytes[at..]);
        work = match work.checked_sub(looked_at) {
            Some(work) => work,
            None => break,
        };
        from = at + 1;
        let Some(end) = end.map(|end| at + end) else { continue };
        from = end;
        let text = std::str::from_utf8(&bytes[at..end]);
        let stands_alone = at == 0 || follows_record || !is_nested_place(&bytes[..at]);
        let can_be_one = stands_alone || ends_line(&bytes[end..]);
        if can_be_one && text.map_or(true, |text| is_record(text, !stands_alone)) {
            found.push(at..end);
        }
    }
    found
}

/// The object that `bytes` begins with: how many bytes were looked at, and where it ends.
fn object_at(bytes: &[u8]) -> (usize, Option<usize>) {
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => (values.byte_offset(), Some(values.byte_offset())),
        Some(Err(error)) => (error.column().max(1), None),
        None => (1, None),
    }
}

/// What may stand between two records on a line without being one: blanks and NULs.
fn is_gap(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | 0))
}

/// Whether an object that begins behind `before` would be a member or an element there.
fn is_nested_place(before: &[u8]) -> bool {
    before.trim_ascii_end().last().is_some_and(|byte| matches!(byte, b':' | b',' | b'['))
}

fn ends_line(behind: &[u8]) -> bool {
    is_gap(behind) || behind.iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | 0)) == Some(&b'{')
}
