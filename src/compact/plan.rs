//! Reading the segments of a unit from end to end: are they whole, which of their lines may go, what do they fold into.

use crate::compact::droppable::{Marks, Place, Span, Streams};
use crate::compact::group::{self, Member, Reason};
use crate::compact::proof::{self, Witness};
use crate::compact::throttle::Pace;
use crate::error::{Error, Result};
use crate::format::block::{Block, Chunk, Ending};
use crate::format::header::{self, Header};
use crate::format::line::Decoded;
use crate::model::entry::Entry;
use crate::model::event::Event;
use crate::model::open_turns::MAX_OPEN;
use crate::segments::dir::{Files, Listed};
use crate::segments::scan::Scanner;
use crate::storage::Access;
use std::collections::BTreeMap;

/// After so many bytes the two folds are compared, as soon as no stream is under way.
const STRETCH: u64 = 1 << 20;
/// After so many bytes they are compared all the same, and the streams under way are given up.
const LONGEST_STRETCH: u64 = 16 << 20;

/// What may become of a unit.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The lines that may go, in order.
    pub(super) drops: Vec<Span>,
    /// How many lines and bytes go, by the type of their events.
    pub(super) dropped: BTreeMap<&'static str, (u64, u64)>,
    /// How many entries there are.
    pub(super) entries: u64,
    pub(super) last_seq: u64,
    /// The entries behind which the folds were compared.
    pub(super) cuts: Vec<u64>,
    /// What the entries fold into.
    pub(super) digest: u64,
}

impl Plan {
    /// How many entries stay.
    pub(super) fn kept(&self) -> u64 {
        self.entries - self.dropped.values().map(|(lines, _)| lines).sum::<u64>()
    }
}

/// Why a segment is left as it is.
#[derive(Debug)]
pub(super) struct Unfit {
    pub(super) segment: u64,
    pub(super) reason: Reason,
}

/// Reads a unit.
struct Planner<'a, 'p> {
    streams: Option<Streams>,
    witness: Witness,
    plan: Plan,
    stretch: u64,
    pace: &'a mut Pace<'p>,
}

/// Plans what becomes of the segments `members`, the first of which begins with `head`. With `drop_streaming`, lines may
/// go; without, the segments are only to be joined.
pub(super) fn plan(
    files: &Files,
    head: &Header,
    members: &[Member],
    drop_streaming: bool,
    pace: &mut Pace<'_>,
) -> Result<Result<Plan, Unfit>> {
    let mut streams = drop_streaming.then(Streams::default);
    if let Some(streams) = &mut streams {
        streams.known_before(head.open.iter().take(MAX_OPEN).map(|turn| turn.turn_id.clone()));
    }
    let mut planner = Planner { streams, witness: Witness::default(), plan: Plan::default(), stretch: 0, pace };
    for (at, member) in members.iter().enumerate() {
        if let Err(reason) = planner.member(files, at, member)? {
            return Ok(Err(Unfit { segment: member.segment, reason }));
        }
    }
    let Planner { streams, witness, mut plan, .. } = planner;
    plan.digest = witness.finish();
    for (kind, span) in streams.map(Streams::into_droppable).unwrap_or_default() {
        let (lines, bytes) = plan.dropped.entry(kind).or_default();
        *lines += span.lines;
        *bytes += span.place.end - span.place.offset;
        plan.drops.push(span);
    }
    plan.drops.sort_unstable_by_key(|span| (span.place.member, span.place.offset));
    Ok(Ok(plan))
}

impl Planner<'_, '_> {
    /// Reads one segment, or finds why it must be left alone.
    fn member(&mut self, files: &Files, at: usize, member: &Member) -> Result<Result<(), Reason>> {
        let access = if member.is_newest { Access::ReadDurable } else { Access::Read };
        if member.is_newest {
            // A killed process may have left it in memory only.
            let path = files.path(member.segment);
            let synced = files.open(member.segment, Access::Write)?.sync_data();
            synced.map_err(|error| Error::io("sync", &path, error))?;
        }
        let mut scanner = Scanner::new(files.open(member.segment, access)?, 0, member.len);
        if scanner.next().is_none() || header::has_unknown_members(scanner.bytes()) {
            return Ok(Err(Reason::other(group::NEWER)));
        }
        let (mut last, mut entries) = (member.last_before, 0);
        let mut block = Block::default();
        while scanner.next_block(&mut block) {
            for line in block.lines() {
                let chunk = line.chunk;
                let is_line = chunk.starts_line && chunk.ending == Ending::Newline;
                let Decoded::Entry(entry) = line.decode() else { return Ok(Err(bad(chunk))) };
                let seq = entry.seq().get();
                let (event, bare) = proof::decode(&entry);
                let is_next = seq == last + 1
                    || (seq > last
                        && (member.compacted.is_some() || explains(event.as_ref().ok(), last, seq, entries == 0)));
                if !is_line || !is_next {
                    return Ok(Err(bad(chunk)));
                }
                self.entry(&entry, event, bare, Place { member: at, offset: chunk.offset, end: chunk.end() });
                (last, entries) = (seq, entries + 1);
            }
        }
        self.plan.entries += entries;
        self.plan.last_seq = member.compacted.as_ref().map_or(last, |compacted| compacted.last_seq);
        Ok(member.check_end(last, entries))
    }

    /// The next entry, which stands where it should.
    fn entry(&mut self, entry: &Entry<'_>, event: Result<Event<'_>>, bare: bool, place: Place) {
        if let (Some(streams), Ok(event)) = (&mut self.streams, &event) {
            streams.event(event, place, Marks { has_id: entry.id().is_some(), bare });
        }
        self.witness.entry(entry, event);
        let len = place.end - place.offset;
        self.stretch += len;
        if self.stretch >= STRETCH && !bare {
            self.end_stretch(entry.seq().get());
        }
        self.pace.read(len);
    }

    /// Compares here, unless a stream is under way that may still go on for a while.
    fn end_stretch(&mut self, seq: u64) {
        if let Some(streams) = self.streams.as_mut().filter(|streams| !streams.is_quiet()) {
            if self.stretch < LONGEST_STRETCH {
                return;
            }
            streams.give_up();
        }
        self.witness.cut();
        self.plan.cuts.push(seq);
        self.stretch = 0;
    }
}

/// Whether the log itself explains that no line bears the numbers between `last` and `seq`.
fn explains(event: Option<&Event<'_>>, last: u64, seq: u64, is_first: bool) -> bool {
    let covers = |first: u64, end: u64| first <= last + 1 && seq - 1 <= end;
    match event {
        Some(Event::EventsLost(lost)) => covers(lost.first_seq, lost.last_seq),
        Some(Event::JournalRecovered(report)) if is_first => {
            report.holes.iter().any(|hole| covers(hole.first_seq, hole.last_seq))
        }
        _ => false,
    }
}

fn bad(chunk: Chunk) -> Reason {
    Reason::damaged(format!("it is damaged at byte {}: `verify` says more", chunk.offset))
}

/// How many lines a segment has, whatever is in them.
pub(super) fn count_lines(files: &Files, member: &Member) -> Result<u64> {
    let opened = files.peek(Listed { segment: member.segment, len: member.len })?;
    let Some(opened) = opened else { return Ok(0) };
    let mut scanner = Scanner::new(opened.file, member.lines_from, member.len);
    let mut lines = 0;
    while let Some(chunk) = scanner.next() {
        lines += u64::from(chunk.ending == Ending::Newline);
    }
    Ok(lines)
}
