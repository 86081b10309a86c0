//! Recovery: what opening for writing finds, keeps, cuts and reports. Idempotent; may be killed at any step.
//!
//! Trusts only what it rereads past the page cache: a failed fsync elsewhere may have left bytes there that no disk has.
//! Cuts only what nothing good follows, and only after a copy of it is safe.

mod survey;

use crate::error::{Error, ErrorKind, Result};
use crate::format::header::Seal;
use crate::format::line::{self, Decoded, MIN_LINE};
use crate::format::names;
use crate::model::event::{Cut, Hole, JournalRecovered, OpenTurn};
use crate::model::gap::{Gap, GapKind};
use crate::model::open_turns::Activity;
use crate::model::seq::Seq;
use crate::segments::dir::{Files, check_header};
use crate::segments::scan::Scanner;
use crate::storage::{Access, StorageFile, read_exactly, write_all};
use survey::{Survey, Tail, highest_before, survey_tail};

/// About the bytes of a header of a session with a short name and nothing open.
const SHORTEST_HEADER: u64 = 280;
/// How much of a torn end is copied at once.
const COPIED: u64 = 64 << 10;
/// What a header says of the segment before it, and the last id of a caller.
const SEAL_AND_LAST_ID: u64 = 64 + crate::format::line::MAX_ID as u64;

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
    /// How many bytes each segment has.
    pub(crate) sizes: Vec<u64>,
    pub(crate) next_seq: u64,
    pub(crate) prev: Option<Seal>,
    pub(crate) activity: Activity,
    pub(crate) report: Recovery,
    /// To be written as the first entry.
    pub(crate) recovered: Option<JournalRecovered>,
}

/// Recovers the journal, whose lock the caller holds.
///
/// # Errors
/// If the directory belongs to another session, or to a version that this one does not understand, if the files cannot
/// be opened, or if the disk refuses to give what tells where to go on. Damage is no error.
pub(crate) fn recover(files: &Files, session_id: &str) -> Result<Resume> {
    let (listed, torn) = files.list()?;
    let header = files.newest_header_strictly(&listed)?;
    let sizes = listed.iter().map(|listed| listed.len).collect();
    if let Some(header) = &header {
        check_header(files, header, session_id)?;
    }
    let journal = header.map(|header| header.journal);
    // What a compacted segment has replaced is never the end, and all numbers that it stands for are used.
    let chart = files.chart(&listed, journal.as_deref())?;
    // A number that a cut names was given, though its segment is gone: else that cut would be taken for one of the next segment.
    let named = [listed.last().map(|newest| newest.segment), torn.last().map(|torn| torn.segment)];
    let newest = named.into_iter().flatten().max().unwrap_or(0).max(files.reserved()?);
    let next_segment = newest.max(chart.through).saturating_add(1);
    check_number(files, "segment", next_segment)?;
    let Tail { segments: tail, mut never_created, activity } = survey_tail(files, &chart.ours(), journal.as_deref())?;
    let mut unverified = never_created.iter().fold(0u64, |sum, cut| sum.saturating_add(cut.bytes));
    // One that may have held an entry behind its header has been spoiled: that stays damage.
    let header_bytes = tail.first().map_or(SHORTEST_HEADER, |newest| longest_header_behind(newest, &activity));
    never_created.retain(|cut| cut.bytes < header_bytes + MIN_LINE as u64);
    let Some(newest) = tail.first() else {
        // Nothing was ever created. What lies here may still have borne numbers.
        let next_seq = 1 + numbers_in(unverified);
        check_number(files, "sequence", next_seq)?;
        let mut report = Recovery { clean: next_seq == 1, cuts: never_created, ..Recovery::default() };
        if !report.clean {
            report.holes.push(Hole { first_seq: 1, last_seq: next_seq - 1 });
        }
        let recovered = (!report.clean).then(|| to_entry(&report, next_segment, Vec::new()));
        let prev = None;
        return Ok(Resume { journal, next_segment, sizes, next_seq, prev, activity, report, recovered });
    };

    let settled = tail.iter().map(|survey| survey.settled).max().unwrap_or_default();
    let surveyed = tail.last().map_or(0, |oldest| oldest.segment);
    let last_seq = highest_before(files, &chart, journal.as_deref(), surveyed, settled)?;
    let mut report = Recovery { clean: true, last_seq: Seq::new(last_seq), cuts: never_created, ..Recovery::default() };
    report.cuts.extend(tail.iter().filter_map(|survey| survey.cut(&torn)));
    let beside_an_entry = newest.good_end - newest.entry_end;
    let cut = newest.cut(&torn);
    unverified = unverified.saturating_add(beside_an_entry + cut.map_or(0, |cut| cut.bytes));

    // A header that promised a first number had all numbers before it used up or skipped.
    let promised = newest.header.as_ref().map_or(0, |header| header.first_seq);
    let next_seq = (last_seq + 1).max(if newest.entries == 0 { promised } else { 0 }) + numbers_in(unverified);
    let next_seq = next_seq.max(cut.map_or(Ok(0), |cut| highest_in(files, cut))? + 1);
    check_number(files, "sequence", next_seq)?;
    if newest.file_len > newest.end() {
        cut_tail(files, newest)?;
    }
    for survey in tail.iter().rev() {
        report.holes.extend(survey.holes());
        report.gaps.extend(survey.gaps.iter().filter(|gap| gap.kind != GapKind::Torn));
    }
    if next_seq > last_seq + 1 {
        report.holes.push(Hole { first_seq: last_seq + 1, last_seq: next_seq - 1 });
    }
    report.clean = newest.closed && report.cuts.is_empty() && report.holes.is_empty();

    let prev = newest.seal(last_seq);
    let recovered = (!report.clean).then(|| to_entry(&report, next_segment, activity.open().0));
    Ok(Resume { journal, next_segment, sizes, next_seq, prev: Some(prev), activity, report, recovered })
}

/// Refuses to go on where the next number would be none that the format has.
fn check_number(files: &Files, what: &str, next: u64) -> Result<()> {
    if next <= Seq::MAX.get() {
        return Ok(());
    }
    let dir = files.dir.display();
    let message = format!(
        "`{dir}` has no {what} number left: a file there names one at the limit of {}, which is likely damage; it can be \
         read, but record under another id",
        Seq::MAX
    );
    Err(Error::new(ErrorKind::Exhausted, message))
}

pub(crate) fn to_entry(report: &Recovery, epoch: u64, open: Vec<OpenTurn>) -> JournalRecovered {
    JournalRecovered {
        epoch,
        after: report.last_seq.get(),
        cuts: report.cuts.clone(),
        holes: report.holes.clone(),
        open,
    }
}

/// At most about the bytes of the header of the segment behind this one: it names what is open by then.
fn longest_header_behind(survey: &Survey, activity: &Activity) -> u64 {
    let open = serde_json::to_vec(&activity.open().0).map_or(0, |open| open.len() as u64);
    survey.lines_from.max(SHORTEST_HEADER) + SEAL_AND_LAST_ID + open
}

/// How many numbers unverified bytes may have borne.
fn numbers_in(bytes: u64) -> u64 {
    bytes.div_ceil(MIN_LINE as u64)
}

/// The highest number that can be read in what is cut or sealed off. Events that were refused leave steps in the numbers,
/// so that its length does not tell.
fn highest_in(files: &Files, Cut { segment, offset, .. }: Cut) -> Result<u64> {
    let kept = files.folder().and_then(|folder| folder.open(&names::torn_name(segment, offset), Access::Read));
    let (file, from) = match kept {
        Ok(kept) => (kept, 0),
        Err(_) => (files.open(segment, Access::Read)?, offset),
    };
    let len = file.len().map_err(|error| Error::io("read the torn end of", &files.path(segment), error))?;
    let (mut scanner, mut highest) = (Scanner::new(file, from, len), 0);
    while scanner.next().is_some() {
        if let Decoded::Entry(entry) = line::decode(scanner.bytes()) {
            highest = highest.max(entry.seq().get());
        }
    }
    Ok(highest)
}

/// Moves what nothing good follows into a `.torn` file, and cuts off what the segment was prefilled with. If the copy fails
/// nothing is cut: the next header's seal ends the segment before it.
fn cut_tail(files: &Files, survey: &Survey) -> Result<()> {
    let (segment, offset, len) = (survey.segment, survey.end(), survey.len);
    let file = files.open(segment, Access::Write)?;
    if survey.unverified() > 0 && copy_torn(files, &*file, segment, offset, len).is_err() {
        return Ok(());
    }
    let path = files.path(segment);
    let cut = file.set_len(offset).and_then(|()| file.sync_data());
    cut.map_err(|error| Error::io("cut the torn end of", &path, error))
}

fn copy_torn(files: &Files, file: &dyn StorageFile, segment: u64, offset: u64, len: u64) -> std::io::Result<()> {
    let folder = files.folder()?;
    let target = names::torn_name(segment, offset);
    let part = format!("{target}.part");
    if let Ok(kept) = folder.open(&target, Access::Read) {
        // An earlier recovery was killed between the copy and the cut.
        return same_bytes(file, offset, len, &*kept);
    }
    match folder.remove(&part) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let copy = folder.create(&part)?;
    let mut done = 0;
    while let Some(from) = next_stored(file, offset, len, done)? {
        let block = read_exactly(file, offset + from, (len - offset - from).min(COPIED))?;
        // What ends in NULs need not be written to the end: the file is made as long as it must be.
        let stored = block.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        write_all(&*copy, &block[..stored], from).map_err(|(_, error)| error)?;
        done = from + block.len() as u64;
    }
    copy.set_len(len - offset)?;
    copy.sync_data()?;
    folder.rename(&part, &target)?;
    folder.sync()
}

fn same_bytes(file: &dyn StorageFile, offset: u64, len: u64, kept: &dyn StorageFile) -> std::io::Result<()> {
    let differs = || Err(std::io::ErrorKind::AlreadyExists.into());
    if kept.len()? < len - offset {
        return differs();
    }
    let mut done = 0;
    loop {
        let (ours, theirs) = (next_stored(file, offset, len, done)?, next_stored(kept, 0, len - offset, done)?);
        let Some(from) = ours.into_iter().chain(theirs).min() else { return Ok(()) };
        let block = (len - offset - from).min(COPIED);
        if read_exactly(file, offset + from, block)? != read_exactly(kept, from, block)? {
            return differs();
        }
        done = from + block;
    }
}

/// Where the next stored bytes between `offset` and `len` are that are not `done`, counted from `offset`: holes stay holes.
fn next_stored(file: &dyn StorageFile, offset: u64, len: u64, done: u64) -> std::io::Result<Option<u64>> {
    if offset + done >= len {
        return Ok(None);
    }
    Ok(file.next_data(offset + done)?.filter(|data| *data < len).map(|data| data - offset))
}
