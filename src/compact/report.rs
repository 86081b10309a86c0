//! What a compaction has done.

use crate::compact::group::{Member, Reason};
use crate::compact::plan::Plan;
use serde::Serialize;
use std::collections::BTreeMap;

/// What a compaction has done, or, on a dry run, would do.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CompactReport {
    /// The session.
    pub session_id: String,
    /// Nothing was done: this is what would be. What is merged only because it has become small is not in it.
    pub dry_run: bool,
    /// The segments that were looked at, as they were. One that is being written is not among them.
    pub before: CompactSize,
    /// The same as they are now.
    pub after: CompactSize,
    /// What was dropped, by the type of the events.
    pub dropped: BTreeMap<String, DroppedLines>,
    /// Which segments were merged into one.
    pub merged: Vec<MergedSegments>,
    /// Which segments were left as they were though they could not even be looked at, and why.
    pub left_alone: Vec<LeftAlone>,
}

/// How large segments are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CompactSize {
    /// How many there are.
    pub segments: u64,
    /// How many lines they have, their headers not counted.
    pub lines: u64,
    /// How many bytes they have.
    pub bytes: u64,
}

/// Lines that were dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DroppedLines {
    /// How many.
    pub lines: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Segments that became one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MergedSegments {
    /// The one that stands for all of them.
    pub segment: u64,
    /// The last of them.
    pub through: u64,
}

/// A segment that was left as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LeftAlone {
    /// Which one.
    pub segment: u64,
    /// Why.
    pub why: String,
    /// It is damaged.
    pub damaged: bool,
}

/// Counts what is done.
#[derive(Debug, Default)]
pub(super) struct Tally {
    before: CompactSize,
    dropped: BTreeMap<String, DroppedLines>,
    merged: BTreeMap<u64, u64>,
    /// The segments that were looked at, as they are now: lines and bytes.
    now: BTreeMap<u64, (u64, u64)>,
}

impl Tally {
    /// Whether it has been counted.
    pub(super) fn knows(&self, member: &Member) -> bool {
        self.now.contains_key(&member.segment)
    }

    /// These segments have so many lines. Those that are known already came from others.
    pub(super) fn read(&mut self, members: &[Member], mut lines: u64) {
        for member in members {
            match self.now.get(&member.segment) {
                Some((known, _)) => lines = lines.saturating_sub(*known),
                None => {
                    self.now.insert(member.segment, (0, member.len));
                    self.before.segments += 1;
                    self.before.bytes += member.len;
                }
            }
        }
        self.before.lines += lines;
        // Which of several has them does not matter: they are about to become one, or are one.
        if let Some((known, _)) = members.first().and_then(|first| self.now.get_mut(&first.segment)) {
            *known += lines;
        }
    }

    /// These segments have become one of so many bytes.
    pub(super) fn replaced(&mut self, members: &[Member], plan: &Plan, len: u64) {
        let (Some(first), Some(last)) = (members.first(), members.last()) else { return };
        self.now.retain(|segment, _| !(first.segment..=last.segment).contains(segment));
        self.now.insert(first.segment, (plan.kept(), len));
        if members.len() > 1 {
            self.merged.retain(|segment, _| !(first.segment..=last.segment).contains(segment));
            self.merged.insert(first.segment, last.through());
        }
        for (kind, (lines, bytes)) in &plan.dropped {
            let dropped = self.dropped.entry((*kind).to_owned()).or_default();
            dropped.lines += lines;
            dropped.bytes += bytes;
        }
    }

    pub(super) fn into_report(
        self,
        session_id: &str,
        dry_run: bool,
        left_alone: BTreeMap<u64, Reason>,
    ) -> CompactReport {
        let sum = |size: CompactSize, (lines, bytes): &(u64, u64)| CompactSize {
            segments: size.segments + 1,
            lines: size.lines + lines,
            bytes: size.bytes + bytes,
        };
        let left_alone = left_alone.into_iter().map(|(segment, reason)| LeftAlone {
            segment,
            why: reason.why,
            damaged: reason.damaged,
        });
        CompactReport {
            session_id: session_id.to_owned(),
            dry_run,
            before: self.before,
            after: self.now.values().fold(CompactSize::default(), sum),
            dropped: self.dropped,
            merged: self.merged.into_iter().map(|(segment, through)| MergedSegments { segment, through }).collect(),
            left_alone: left_alone.collect(),
        }
    }
}

impl CompactReport {
    /// Whether a segment was met that is damaged.
    pub fn met_damage(&self) -> bool {
        self.left_alone.iter().any(|left| left.damaged)
    }
}
