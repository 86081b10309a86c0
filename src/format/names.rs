//! The names of files in a journal's directory: segments, temporary files, torn ends, and names reserved for later versions.

use crate::model::seq::Seq;

/// The name of a segment's file.
pub(crate) fn file_name(segment: u64) -> String {
    format!("{segment:08}.jsonl")
}

/// The name of the file in which a compaction prepares what is to replace a segment.
pub(crate) fn temporary_name(segment: u64) -> String {
    format!("{segment:08}.jsonl.tmp")
}

/// The segment whose replacement has this name.
pub(crate) fn temporary_number_of(name: &str) -> Option<u64> {
    let number = number_of(name.strip_suffix(".tmp")?)?;
    (temporary_name(number) == name).then_some(number)
}

/// The segment whose file has this name.
pub(crate) fn number_of(name: &str) -> Option<u64> {
    let number = name.strip_suffix(".jsonl")?.parse().ok()?;
    ((1..=Seq::MAX.get()).contains(&number) && file_name(number) == name).then_some(number)
}

/// Names that newer versions give to what belongs to a segment: what follows the number, and whether it is the segment
/// itself in another form.
pub(crate) const RESERVED: [(&str, bool); 4] =
    [("jsonl.zst", true), ("seal", false), ("tsr", false), ("leaves", false)];

/// The name of a segment in the form that a newer version gives it.
pub(crate) fn newer_name(segment: u64) -> String {
    format!("{}.zst", file_name(segment))
}

/// The segment to which a reserved name belongs, and whether it is that segment in another form.
pub(crate) fn reserved_number_of(name: &str) -> Option<(u64, bool)> {
    let (_, kind) = name.split_once('.')?;
    let (ending, is_segment) = RESERVED.iter().find(|(ending, _)| *ending == kind)?;
    let number = number_of(&format!("{}jsonl", name.strip_suffix(ending)?))?;
    Some((number, *is_segment))
}

/// The name of the file that keeps what recovery cut from a segment.
pub(crate) fn torn_name(segment: u64, offset: u64) -> String {
    format!("{segment:08}.{offset}.torn")
}

pub(crate) fn parse_torn(name: &str) -> Option<(u64, u64)> {
    let (segment, offset) = name.strip_suffix(".torn")?.split_once('.')?;
    let (segment, offset) = (segment.parse().ok()?, offset.parse().ok()?);
    ((1..=Seq::MAX.get()).contains(&segment) && torn_name(segment, offset) == name).then_some((segment, offset))
}
