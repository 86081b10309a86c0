//! Surveying the end of a journal for recovery: the newest segment, read past the page cache, and those before it that
//! nothing accounts for yet. Changes nothing but that it syncs what it reads.

use crate::error::{Error, Result};
use crate::format::block::Line;
use crate::format::header::{Compacted, Header, Seal};
use crate::format::line;
use crate::format::salvage::{Flaw, Sifted, Sifter};
use crate::model::entry::Entry;
use crate::model::event::{Cut, Event, Hole};
use crate::model::gap::{Gap, GapKind};
use crate::model::open_turns::{Activity, count};
use crate::segments::dir::{Files, Listed, Opened, Torn, is_continued};
use crate::segments::replaced::Chart;
use crate::segments::scan::Scanner;
use crate::storage::read_exactly;
use std::collections::VecDeque;
use std::sync::Arc;

/// Of so many files without a header any may be the newest segment. Each is synced, which takes milliseconds.
const MOST_SYNCED: usize = 64;

/// A segment read to its end past the page cache. Its file is closed again.
pub(crate) struct Survey {
    pub(crate) segment: u64,
    /// How many bytes it has, without what it was prefilled with, and how many its file has.
    pub(crate) len: u64,
    pub(crate) file_len: u64,
    pub(crate) lines_from: u64,
    /// Without what it lists as open.
    pub(crate) header: Option<Header>,
    /// A good line follows its header directly.
    has_entries: bool,
    /// Where the header behind it says that it ends. `None` for the newest.
    seal: Option<Seal>,
    /// The header behind it is of the same epoch: all of it had been on disk.
    was_synced: bool,
    /// The last number that it bears, or that came before it.
    last: u64,
    /// The same, and what is accounted for.
    pub(crate) settled: u64,
    pub(crate) entries: u64,
    /// Where its last good line and its last entry end.
    pub(crate) good_end: u64,
    pub(crate) entry_end: u64,
    pub(crate) gaps: Vec<Gap>,
    pub(crate) closed: bool,
}

/// What recovery knows of the end of a journal.
#[derive(Default)]
pub(crate) struct Tail {
    /// The newest segments, newest first, down to one that accounts for those before it.
    pub(crate) segments: Vec<Survey>,
    /// Files with bytes that were never created: they stay where they are, and the log accounts for them.
    pub(crate) never_created: Vec<Cut>,
    /// What is running at the end: counted from the last good header on.
    pub(crate) activity: Activity,
}

impl Survey {
    /// Whether the file counts as a segment at all: without a good header or line it was never created.
    fn was_created(&self) -> bool {
        self.header.is_some() || self.entries > 0
    }

    fn compacted(&self) -> Option<&Compacted> {
        self.header.as_ref().and_then(|header| header.compacted.as_ref())
    }

    /// Where it ends.
    pub(crate) fn end(&self) -> u64 {
        match (self.compacted(), self.seal) {
            // All of it was on disk before it had its name: whatever is bad in it has rotted.
            (Some(_), _) => self.len,
            (None, Some(seal)) => seal.bytes.max(self.lines_from),
            (None, None) => self.good_end,
        }
    }

    /// What the header of the next segment says of this one.
    pub(crate) fn seal(&self, last_seq: u64) -> Seal {
        match self.compacted() {
            Some(Compacted { through, last_bytes, .. }) => Seal { segment: *through, last_seq, bytes: *last_bytes },
            None => Seal { segment: self.segment, last_seq, bytes: self.good_end },
        }
    }

    pub(crate) fn unverified(&self) -> u64 {
        self.len.saturating_sub(self.end())
    }

    /// What stands behind its end, or stood there and is kept in a `.torn` file.
    pub(crate) fn cut(&self, torn: &[Torn]) -> Option<Cut> {
        let (segment, offset) = (self.segment, self.end());
        let kept = torn.iter().filter(|torn| (torn.segment, torn.offset) == (segment, offset)).map(|torn| torn.bytes);
        let bytes = self.unverified().max(kept.sum());
        (bytes > 0).then_some(Cut { segment, offset, bytes })
    }

    /// The numbers missing in it that nothing proves to have been on disk: the log is to account for them.
    pub(crate) fn holes(&self) -> impl Iterator<Item = Hole> {
        let unproven = |gap: &&Gap| match gap.kind {
            GapKind::Hole => true,
            GapKind::Missing => gap.acknowledged.is_none(),
            _ => false,
        };
        let gaps = self.gaps.iter().filter(|_| !self.was_synced).filter(unproven);
        gaps.filter_map(|gap| Some(Hole { first_seq: gap.first_seq?.get(), last_seq: gap.last_seq?.get() }))
    }

    /// Whether nothing before it need be looked at: it has entries, and the first of them, which is the report of a
    /// recovery if there was one, is whole; or it was begun by rolling over, behind what had been synced.
    fn accounts_for_what_is_before(&self) -> bool {
        let rolled_over = self.header.as_ref().is_some_and(|header| header.epoch < header.segment);
        self.entries > 0 && (self.has_entries || rolled_over)
    }
}

/// What comes before a segment: the last entry, and the last number that is accounted for.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    last: u64,
    settled: u64,
}

impl Before {
    /// As a header says.
    fn of(header: &Header, has_report: bool) -> Before {
        // What the header skipped is accounted for by the report behind it. If a cut has taken that, it is still to do.
        let accounted_for = has_report || header.compacted.is_some();
        let last_good = header.prev.map_or(0, |prev| prev.last_seq);
        let settled = if accounted_for { header.first_seq.saturating_sub(1) } else { last_good };
        Before { last: last_good.min(settled), settled }
    }
}

/// Surveys the segments from the newest down to one that has a good header and accounts for those before it. Each is
/// read once, however many have no good header: those are read upwards from the last good one, which says what came before.
pub(crate) fn survey_tail(files: &Files, listed: &[Listed], journal: Option<&str>) -> Result<Tail> {
    let mut tail = Tail::default();
    let (mut headless, mut has_state, mut may_be_newest) = (Vec::new(), false, true);
    let mut rest = listed.iter().rev();
    loop {
        let next = rest.next();
        let base = match next {
            // A segment that a merge has left behind, or another journal's file, says nothing about our end.
            Some(listed) => match files.peek_strictly(journal, *listed)?.filter(|opened| !opened.foreign) {
                Some(opened) if opened.header.is_some() => Some(files.reread(opened)?),
                Some(opened) => {
                    headless.push((*listed, may_be_newest && headless.len() < MOST_SYNCED));
                    may_be_newest &= !opened.has_entries;
                    continue;
                }
                None => continue,
            },
            None => None,
        };
        let (mut before, mut activity) = (Before::default(), Activity::default());
        let mut found = Vec::new();
        if let Some(opened) = base {
            if let Some(header) = &opened.header {
                (before, activity) = (Before::of(header, opened.recovered.is_some()), header.activity());
            }
            found.push(survey(files, opened, &mut before, &mut activity)?);
        }
        for (listed, may_be_newest) in headless.drain(..).rev() {
            let Some(opened) = files.peek_strictly(journal, listed)? else { continue };
            // The writer of a later segment synced the ones before it.
            let opened = if may_be_newest { files.reread(opened)? } else { opened };
            found.push(survey(files, opened, &mut before, &mut activity)?);
        }
        if !std::mem::replace(&mut has_state, true) {
            tail.activity = activity;
        }
        if tail.take(found.into_iter().rev()) || next.is_none() {
            return Ok(tail);
        }
    }
}

impl Tail {
    /// Takes the next older segments; `true` if nothing before them need be looked at.
    fn take(&mut self, found: impl Iterator<Item = Survey>) -> bool {
        for mut survey in found {
            if !survey.was_created() {
                let Survey { segment, len, .. } = survey;
                self.never_created.extend((len > 0).then_some(Cut { segment, offset: 0, bytes: len }));
                continue;
            }
            if let Some(next) = self.segments.last().and_then(|next| next.header.as_ref()) {
                survey.seal = next.prev.filter(|seal| seal.segment == survey.segment);
                survey.was_synced = is_continued(survey.segment, survey.header.as_ref(), next);
            }
            let is_the_last = survey.accounts_for_what_is_before();
            self.segments.push(survey);
            if is_the_last {
                return true;
            }
        }
        false
    }
}

/// Reads one segment, of which the first lines have been reread, to its end; counts on what came before it.
fn survey(files: &Files, opened: Opened, before: &mut Before, activity: &mut Activity) -> Result<Survey> {
    let path = files.path(opened.segment);
    let io = |doing, error| Error::io(doing, &path, error);
    let (file, len) = (Arc::clone(&opened.file), opened.len);
    let compacted = opened.header.as_ref().and_then(|header| header.compacted.as_ref());
    let mut scanner = Scanner::new(Arc::clone(&file), opened.lines_from, len);
    let mut sifter = Sifter::new(opened.lines_from, before.last, before.settled, compacted.is_some());
    let (mut sifted, mut flaws, mut closed) = (VecDeque::new(), Vec::new(), false);
    loop {
        let chunk = scanner.next();
        let entry = match chunk.map(|chunk| Line::new(chunk, scanner.bytes())) {
            Some(line) => sifter.line(&line, line.decode(), &mut sifted),
            None => {
                sifter.end(compacted.map(|compacted| compacted.last_seq), len, &mut sifted);
                None
            }
        };
        for sifted in sifted.drain(..) {
            match sifted {
                Sifted::Flaw(flaw) => flaws.push(flaw),
                Sifted::Entry => {
                    closed = entry.as_ref().is_some_and(|entry| count(entry, activity));
                    entry.iter().for_each(|entry| drop_if_explained(entry, &mut flaws));
                }
                Sifted::Salvaged { offset, len } => {
                    let line = read_exactly(&*file, offset, len).map_err(|e| io("read", e))?;
                    closed = line::decode_verified(&line).is_some_and(|entry| count(&entry, activity));
                }
            }
        }
        if chunk.is_none() {
            break;
        }
    }
    // What nothing good follows would be cut or sealed off, and its numbers given again: not unseen.
    if let Some(refused) = scanner.refused().filter(|refused| refused.end > sifter.good_end()) {
        return Err(refused.to_error(&format!("read all from byte {} on of", sifter.good_end()), &path));
    }
    let synced = sifter.synced();
    let proven = |flaw: &Flaw| compacted.is_some() || flaw.missing.is_some_and(|(first, _)| synced >= first);
    let gaps = flaws.iter().map(|flaw| flaw.judge(opened.segment, proven(flaw))).collect();
    *before = Before { last: sifter.last(), settled: sifter.settled() };
    let Opened { segment, file_len, lines_from, has_entries, header, .. } = opened;
    Ok(Survey {
        segment,
        len,
        file_len,
        lines_from,
        header: header.map(|header| Header { open: Vec::new(), ..header }),
        has_entries,
        seal: None,
        was_synced: false,
        last: sifter.last(),
        settled: sifter.settled(),
        entries: sifter.entries(),
        good_end: sifter.good_end(),
        entry_end: sifter.entry_end(),
        gaps,
        closed,
    })
}

/// The highest number that a reader gives of a journal: `settled` at its end, or what an odd file before the segment
/// `surveyed` bears. A reader gives nothing behind that again, and would not see what went on below it.
pub(crate) fn highest_before(
    files: &Files,
    chart: &Chart,
    journal: Option<&str>,
    surveyed: u64,
    settled: u64,
) -> Result<u64> {
    let mut highest = settled;
    for (listed, limit) in chart.above(settled, surveyed) {
        let Some(opened) = files.peek_for(journal, listed)?.filter(|opened| !opened.foreign) else { continue };
        // What the disk refuses to give of it, it refuses readers too.
        if let Ok(found) = survey(files, opened, &mut Before::default(), &mut Activity::default()) {
            highest = highest.max(found.last.min(limit));
        }
    }
    Ok(highest)
}

/// An `events_lost` accounts for the hole before it.
fn drop_if_explained(entry: &Entry<'_>, flaws: &mut Vec<Flaw>) {
    let Some(flaw) = flaws.last().filter(|_| entry.type_name() == "events_lost") else { return };
    let Ok(Event::EventsLost(lost)) = entry.event() else { return };
    if flaw.missing == Some((lost.first_seq, lost.last_seq)) && flaw.bytes == 0 {
        flaws.pop();
    }
}
