//! Recovery: what opening for writing finds, keeps, cuts and reports. Idempotent; may be killed at any step.
//!
//! Trusts only what it rereads past the page cache: a failed fsync elsewhere may have left bytes there that no disk has.
//! Cuts only what nothing good follows, and only after a copy of it is safe.

use crate::activity::{Activity, Change};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Cut, Event, Hole, JournalRecovered, OpenTurn};
use crate::files::{Files, Listed, Opened, Torn};
use crate::gap::{Gap, GapKind};
use crate::line::{self, MIN_LINE};
use crate::scan::Scanner;
use crate::segment::{self, Seal};
use crate::seq::Seq;
use crate::sift::{Flaw, Sifted, Sifter};
use crate::storage::{Access, StorageFile};
use crate::verdict::{self, Facts};
use std::collections::VecDeque;

/// About the bytes of a header of a session with a short name and nothing open.
const SHORTEST_HEADER: u64 = 280;

/// What an opening for writing found.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Recovery {
    /// Whether the last run closed the journal, or there was none.
    pub clean: bool,
    /// The last good number.
    pub last_seq: Seq,
    /// What was cut from the ends of segments; the bytes are kept in `.torn` files. A whole file (from byte 0) that no
    /// header ever made a segment stays in its place.
    pub cuts: Vec<Cut>,
    /// Numbers that no line bears.
    pub holes: Vec<Hole>,
    /// What else could not be read in the newest segment.
    pub gaps: Vec<Gap>,
}

/// Where writing goes on.
#[derive(Debug)]
pub(crate) struct Resume {
    /// The journal's id; `None` for a new journal, or if no header is left to tell.
    pub(crate) journal: Option<String>,
    /// The number of the next segment, and so the epoch.
    pub(crate) next_segment: u64,
    pub(crate) next_seq: u64,
    pub(crate) prev: Option<Seal>,
    pub(crate) activity: Activity,
    pub(crate) report: Recovery,
    /// To be written as the first entry.
    pub(crate) recovered: Option<JournalRecovered>,
}

/// A segment read to its end past the page cache.
struct Survey {
    opened: Opened,
    /// Where the header behind it says that it ends. `None` for the newest.
    seal: Option<Seal>,
    /// The header behind it is of the same epoch: all of it had been on disk.
    was_synced: bool,
    sifter: Sifter,
    gaps: Vec<Gap>,
    closed: bool,
    activity: Activity,
}

impl Survey {
    /// Whether the file counts as a segment at all: without a good header or line it was never created.
    fn was_created(&self) -> bool {
        self.opened.header.is_some() || self.sifter.entries() > 0
    }

    fn end(&self) -> u64 {
        self.seal.map_or(self.sifter.good_end(), |seal| seal.bytes)
    }

    fn unverified(&self) -> u64 {
        self.opened.len.saturating_sub(self.end())
    }

    /// What stands behind its end, or stood there and is kept in a `.torn` file.
    fn cut(&self, torn: &[Torn]) -> Option<Cut> {
        let (segment, offset) = (self.opened.segment, self.end());
        let kept = torn.iter().filter(|torn| (torn.segment, torn.offset) == (segment, offset)).map(|torn| torn.bytes);
        let bytes = self.unverified().max(kept.sum());
        (bytes > 0).then_some(Cut { segment, offset, bytes })
    }

    /// The numbers missing in it that nothing proves to have been on disk: the log is to account for them.
    fn holes(&self) -> impl Iterator<Item = Hole> {
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
        let rolled_over = self.opened.header.as_ref().is_some_and(|header| header.epoch < header.segment);
        self.sifter.entries() > 0 && (self.opened.has_entries || rolled_over)
    }
}

/// Recovers the journal, whose lock the caller holds.
///
/// # Errors
/// If the directory belongs to another session, or to a version that this one does not understand, or if the files
/// cannot be opened. Damage is no error.
pub(crate) fn recover(files: &Files, session_id: &str) -> Result<Resume> {
    let (listed, torn) = files.list()?;
    let next_segment = listed.last().map_or(1, |newest| newest.segment.saturating_add(1));
    let header = files.newest_header(&listed)?;
    if let Some(header) = &header {
        check_header(files, header, session_id)?;
    }
    let journal = header.map(|header| header.journal);
    let (tail, mut never_created) = survey_tail(files, &listed, journal.as_deref())?;
    let mut unverified = never_created.iter().map(|cut| cut.bytes).sum();
    // One that may have held an entry behind its header has been spoiled: that stays damage.
    let header_bytes = tail.first().map_or(SHORTEST_HEADER, |newest| newest.opened.lines_from.max(SHORTEST_HEADER));
    never_created.retain(|cut| cut.bytes < header_bytes + MIN_LINE as u64);
    let Some(newest) = tail.first() else {
        // Nothing was ever created. What lies here may still have borne numbers.
        let next_seq = 1 + numbers_in(unverified);
        let mut report = Recovery { clean: next_seq == 1, cuts: never_created, ..Recovery::default() };
        if !report.clean {
            report.holes.push(Hole { first_seq: 1, last_seq: next_seq - 1 });
        }
        let recovered = (!report.clean).then(|| to_entry(&report, next_segment, Vec::new()));
        let (prev, activity) = (None, Activity::default());
        return Ok(Resume { journal, next_segment, next_seq, prev, activity, report, recovered });
    };

    let last_seq = tail.iter().map(|survey| survey.sifter.last()).max().unwrap_or_default();
    let mut report = Recovery { clean: true, last_seq: Seq::new(last_seq), cuts: never_created, ..Recovery::default() };
    if newest.unverified() > 0 {
        cut_tail(files, newest)?;
    }
    report.cuts.extend(tail.iter().filter_map(|survey| survey.cut(&torn)));
    let beside_an_entry = newest.sifter.good_end() - newest.sifter.entry_end();
    unverified += beside_an_entry + newest.cut(&torn).map_or(0, |cut| cut.bytes);

    // A header that promised a first number had all numbers before it used up or skipped.
    let promised = newest.opened.header.as_ref().map_or(0, |header| header.first_seq);
    let next_seq = (last_seq + 1).max(if newest.sifter.entries() == 0 { promised } else { 0 }) + numbers_in(unverified);
    for survey in tail.iter().rev() {
        report.holes.extend(survey.holes());
        report.gaps.extend(survey.gaps.iter().filter(|gap| gap.kind != GapKind::Torn));
    }
    if next_seq > last_seq + 1 {
        report.holes.push(Hole { first_seq: last_seq + 1, last_seq: next_seq - 1 });
    }
    report.clean = newest.closed && report.cuts.is_empty() && report.holes.is_empty();

    let prev = Seal { segment: newest.opened.segment, last_seq, bytes: newest.sifter.good_end() };
    let activity = newest.activity.clone();
    let recovered = (!report.clean).then(|| to_entry(&report, next_segment, activity.open().0));
    Ok(Resume { journal, next_segment, next_seq, prev: Some(prev), activity, report, recovered })
}

fn to_entry(report: &Recovery, epoch: u64, open: Vec<OpenTurn>) -> JournalRecovered {
    JournalRecovered {
        epoch,
        after: report.last_seq.get(),
        cuts: report.cuts.clone(),
        holes: report.holes.clone(),
        open,
    }
}

fn check_header(files: &Files, header: &segment::Header, session_id: &str) -> Result<()> {
    let dir = files.dir.display();
    if let Some(what) = header.unsupported() {
        let message = format!("`{dir}` needs {what}: it can be read, but use a newer foldlog to record into it");
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    if header.session_id != session_id {
        let message = format!(
            "`{dir}` holds the session {:?}, not {session_id:?}: record under that id, or move the directory away",
            header.session_id
        );
        return Err(Error::new(ErrorKind::WrongSession, message));
    }
    Ok(())
}

/// Surveys the segments from the newest down to one that accounts for those before it, newest first, and names the files with bytes
/// that were never created: they stay where they are, and the log accounts for them.
fn survey_tail(files: &Files, listed: &[Listed], journal: Option<&str>) -> Result<(Vec<Survey>, Vec<Cut>)> {
    let mut tail: Vec<Survey> = Vec::new();
    let mut never_created = Vec::new();
    for (at, newest) in listed.iter().enumerate().rev() {
        // A segment that a merge has left behind, or another journal's file, says nothing about our end.
        let Some(opened) = files.peek(*newest)?.filter(|opened| !is_foreign(opened, journal)) else { continue };
        let before = last_before(files, &listed[..at], &opened, journal)?;
        let mut survey = survey(files, opened, before)?;
        if !survey.was_created() {
            let Opened { segment, len, .. } = survey.opened;
            never_created.extend((len > 0).then_some(Cut { segment, offset: 0, bytes: len }));
            continue;
        }
        if let Some(next) = tail.last().and_then(|next| next.opened.header.as_ref()) {
            survey.seal = next.prev.filter(|seal| seal.segment == survey.opened.segment);
            survey.was_synced = next.epoch <= survey.opened.segment;
        }
        let is_the_last = survey.accounts_for_what_is_before();
        tail.push(survey);
        if is_the_last {
            break;
        }
    }
    Ok((tail, never_created))
}

/// The last number before a segment, numbers that the log accounts for included: its header tells, and without one the
/// segments before it.
fn last_before(files: &Files, older: &[Listed], opened: &Opened, journal: Option<&str>) -> Result<u64> {
    if let Some(header) = &opened.header {
        // What the header skipped is accounted for by the report behind it. If a cut has taken that, it is still to do.
        let accounted_for = opened.recovered.is_some() || header.compacted.is_some();
        let last_good = header.prev.map_or(0, |prev| prev.last_seq);
        return Ok(if accounted_for { header.first_seq.saturating_sub(1) } else { last_good });
    }
    for (at, listed) in older.iter().enumerate().rev() {
        let Some(opened) = files.peek(*listed)?.filter(|opened| !is_foreign(opened, journal)) else { continue };
        let before = last_before(files, &older[..at], &opened, journal)?;
        return Ok(survey(files, opened, before)?.sifter.last());
    }
    Ok(0)
}

fn is_foreign(opened: &Opened, journal: Option<&str>) -> bool {
    opened.header.as_ref().is_some_and(|header| {
        header.segment != opened.segment || journal.is_some_and(|journal| journal != header.journal)
    })
}

/// Reads one segment, behind the number `before`, to its end past the page cache.
fn survey(files: &Files, opened: Opened, before: u64) -> Result<Survey> {
    let path = files.path(opened.segment);
    let io = |doing, error| Error::io(doing, &path, error);
    // What the reread finds must still be there after a power cut. If this fails, the reread tells what is left.
    let _ = files.open(opened.segment, Access::Write)?.sync_data();
    let file = files.open(opened.segment, Access::ReadDurable)?;
    let len = file.len().map_err(|error| io("read", error))?;
    let opened = Opened { len, ..opened };

    let header = opened.header.as_ref();
    let compacted = header.and_then(|header| header.compacted);
    let mut activity = header.map(segment::Header::activity).unwrap_or_default();
    let mut scanner = Scanner::new(file.clone(), opened.lines_from.min(len), len);
    let mut sifter = Sifter::new(opened.lines_from.min(len), before, compacted.is_some());
    let (mut sifted, mut flaws, mut closed) = (VecDeque::new(), Vec::new(), false);
    loop {
        let chunk = scanner.next();
        match chunk {
            Some(chunk) => sifter.line(chunk, scanner.bytes(), &mut sifted),
            None => sifter.end(None, len, &mut sifted),
        }
        for sifted in sifted.drain(..) {
            match sifted {
                Sifted::Flaw(flaw) => flaws.push(flaw),
                Sifted::Entry => {
                    closed = count(scanner.bytes(), &mut activity);
                    drop_if_explained(scanner.bytes(), &mut flaws);
                }
                Sifted::Salvaged { offset, len } => {
                    closed = count(&read_exactly(&*file, offset, len).map_err(|e| io("read", e))?, &mut activity);
                }
            }
        }
        if chunk.is_none() {
            break;
        }
    }
    let synced = sifter.synced();
    let proven = |flaw: &Flaw| compacted.is_some() || flaw.missing.is_some_and(|(first, _)| synced >= first);
    let gaps = flaws.iter().map(|flaw| to_gap(opened.segment, flaw, proven(flaw))).collect();
    Ok(Survey { opened, seal: None, was_synced: false, sifter, gaps, closed, activity })
}

/// Counts an entry; tells whether it closes the journal.
fn count(line: &[u8], activity: &mut Activity) -> bool {
    let Some(entry) = line::decode_verified(line) else { return false };
    if let Some(id) = entry.id() {
        activity.last_id = Some(id.to_owned());
    }
    // Only these change what is running; the rest need not be decoded.
    let matters = ["turn_", "turns_", "tool_call_", "session_"].iter().any(|p| entry.type_name().starts_with(p));
    if matters
        && entry.type_name() != "tool_call_output"
        && let Ok(event) = entry.event()
    {
        activity.apply(entry.seq().get(), Change::of(&event));
    }
    entry.type_name() == "journal_closed"
}

/// An `events_lost` accounts for the hole before it.
fn drop_if_explained(line: &[u8], flaws: &mut Vec<Flaw>) {
    let Some(entry) = line::decode_verified(line).filter(|entry| entry.type_name() == "events_lost") else { return };
    let (Ok(Event::EventsLost(lost)), Some(flaw)) = (entry.event(), flaws.last()) else { return };
    if flaw.missing == Some((lost.first_seq, lost.last_seq)) && flaw.bytes == 0 {
        flaws.pop();
    }
}

fn to_gap(segment: u64, flaw: &Flaw, was_durable: bool) -> Gap {
    let Flaw { damage, missing, at_end, .. } = *flaw;
    let verdict = verdict::judge(Facts { damage, numbers_missing: missing.is_some(), at_end, was_durable });
    Gap {
        segment,
        offset: flaw.offset,
        bytes: flaw.bytes,
        kind: verdict.kind,
        first_seq: missing.map(|(first, _)| Seq::new(first)),
        last_seq: missing.map(|(_, last)| Seq::new(last)),
        acknowledged: verdict.acknowledged,
        explained: false,
    }
}

/// How many numbers unverified bytes may have borne.
fn numbers_in(bytes: u64) -> u64 {
    bytes.div_ceil(MIN_LINE as u64)
}

/// Moves what nothing good follows into a `.torn` file. If the copy fails nothing is cut: the next header's seal ends
/// the segment before it.
fn cut_tail(files: &Files, survey: &Survey) -> Result<()> {
    let (segment, offset, len) = (survey.opened.segment, survey.sifter.good_end(), survey.opened.len);
    let file = files.open(segment, Access::Write)?;
    if copy_torn(files, &*file, segment, offset, len).is_err() {
        return Ok(());
    }
    let path = files.path(segment);
    let cut = file.set_len(offset).and_then(|()| file.sync_data());
    cut.map_err(|error| Error::io("cut the torn end of", &path, error))
}

fn copy_torn(files: &Files, file: &dyn StorageFile, segment: u64, offset: u64, len: u64) -> std::io::Result<()> {
    let target = files.dir.join(segment::torn_name(segment, offset));
    let part = target.with_extension("torn.part");
    if let Ok(kept) = files.storage.open(&target, Access::Read) {
        // An earlier recovery was killed between the copy and the cut.
        return same_bytes(file, offset, len, &*kept);
    }
    match files.storage.remove_file(&part) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let copy = files.storage.create(&part)?;
    let mut done = 0;
    while offset + done < len {
        let block = read_exactly(file, offset + done, (len - offset - done).min(1 << 20))?;
        write_all(&*copy, &block, done)?;
        done += block.len() as u64;
    }
    copy.sync_data()?;
    files.storage.rename(&part, &target)?;
    files.storage.sync_dir(&files.dir)
}

fn same_bytes(file: &dyn StorageFile, offset: u64, len: u64, kept: &dyn StorageFile) -> std::io::Result<()> {
    let mut done = 0;
    while offset + done < len {
        let block = (len - offset - done).min(1 << 20);
        if read_exactly(file, offset + done, block)? != read_exactly(kept, done, block)? {
            return Err(std::io::ErrorKind::AlreadyExists.into());
        }
        done += block;
    }
    Ok(())
}

fn read_exactly(file: &dyn StorageFile, offset: u64, len: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; len as usize];
    let mut read = 0;
    while read < bytes.len() {
        match file.read_at(&mut bytes[read..], offset + read as u64)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            count => read += count,
        }
    }
    Ok(bytes)
}

fn write_all(file: &dyn StorageFile, bytes: &[u8], offset: u64) -> std::io::Result<()> {
    let mut written = 0;
    while written < bytes.len() {
        match file.write_at(&bytes[written..], offset + written as u64)? {
            0 => return Err(std::io::ErrorKind::WriteZero.into()),
            count => written += count,
        }
    }
    Ok(())
}
