//! [`Importer`]: a file as another recorder wrote it, read line by line; what an earlier import brought is left out.

use crate::format::draft::Draft;
use crate::interop::import::Source;
use crate::interop::import::account::{ImportCounts, Taker};
use crate::interop::import::brought::{EventId, Kind, Reading};
use crate::interop::import::mapper::End;
use crate::interop::import::mark::mark;
use crate::interop::import::resume::Before;
use crate::interop::import::source::SourceFormat;
use crate::interop::jsonl::{Ending, Judged, RawLine, RawLines, judge};
use crate::model::event::{Parent, SessionStarted};
use std::io::{self, BufRead};

/// What one line gave.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ImportStep {
    /// The line, counted from 1; 0 before the first.
    pub line: u64,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Its events, in order.
    pub drafts: Vec<Draft>,
    /// What was wrong with the line, in words.
    pub damage: Option<String>,
}

/// Reads another recorder's file and makes events of it.
///
/// ```
/// use foldlog::{Importer, Source, SourceName};
/// let file = br#"{"type":"user.message","id":"e1","parentId":null,"data":{"content":"Hello"}}
/// "#;
/// let name = SourceName { stem: "s-1".into(), ..SourceName::default() };
/// let source = Source::identify(file, &name, None).expect("a known format");
/// let mut importer = Importer::new(&file[..], &source);
/// let mut types = Vec::new();
/// while let Some(step) = importer.next(true)? {
///     types.extend(step.drafts.iter().map(|draft| draft.type_name().to_owned()));
/// }
/// assert_eq!(types, ["session_started", "custom", "turn_started"]);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Importer<R> {
    lines: RawLines<R>,
    taker: Taker,
    /// The first events, until they are given out.
    opening: Vec<Draft>,
    /// What is in the session already.
    before: Before,
    /// The end that the file had at the earlier import has gone by.
    settled_before: bool,
    reading: Reading,
    /// Where reading has got to.
    end: u64,
    /// The end that held-back events were made for, since the last line.
    settled: Option<End>,
    /// How many events that has given.
    at_end: u64,
}

impl<R: BufRead> Importer<R> {
    /// Reads `input` from its beginning.
    pub fn new(input: R, source: &Source) -> Importer<R> {
        Importer {
            lines: if source.is_document { RawLines::document(input) } else { RawLines::new(input) },
            taker: Taker::new(source),
            opening: opening(source),
            before: Before::Nothing,
            settled_before: false,
            reading: Reading::default(),
            end: 0,
            settled: None,
            at_end: 0,
        }
    }

    /// Leaves out everything up to the event with this id: the last one that an earlier import brought. `false` if that
    /// is no id of an import.
    pub fn resume_behind(&mut self, last_id: &str) -> bool {
        match EventId::parse(last_id) {
            Some(last) => self.before = Before::Event(last),
            None => return false,
        }
        true
    }

    /// Leaves out everything: an earlier import read a longer file that begins with this one.
    pub fn leave_out_everything(&mut self) {
        self.before = Before::Everything;
    }

    /// Leaves out as many events: those that an earlier import of a foldlog file brought, which bear ids of their own.
    pub fn resume_behind_events(&mut self, count: u64) {
        self.before = if count > 0 { Before::Events(count) } else { Before::Nothing };
    }

    /// The next line's events; `None` at the end. With `at_end`, a last line without a line break counts; else it is
    /// kept back until the file has grown.
    ///
    /// # Errors
    /// If the input cannot be read.
    pub fn next(&mut self, at_end: bool) -> io::Result<Option<ImportStep>> {
        if !self.opening.is_empty() {
            for draft in std::mem::take(&mut self.opening) {
                self.taker.out.push(draft);
            }
            if self.before.is_end() {
                self.taker.out.drafts.clear(); // they come before every end, also one in the first line
            }
            let drafts = self.drafts(None);
            return Ok(Some(self.step(0, 0, drafts)));
        }
        let Some(line) = self.lines.next(at_end)? else {
            // Only the end of the file: what was held back is due.
            let drafts = if at_end { self.settle_for(End::File) } else { Vec::new() };
            return Ok((!drafts.is_empty()).then(|| self.step(0, self.end, drafts)));
        };
        let is_torn = self.is_torn(&line);
        let mut drafts = Vec::new();
        if self.before.ended_within(&line, self.lines.bytes(&line)) {
            self.before = Before::Nothing; // the whole line is new, though its beginning was a record by itself
        }
        if is_torn {
            // The last line may yet change: what was held back must not wait for it.
            drafts = self.settle_for(End::File);
        } else if !self.settled_before && self.before.ends_at(&line) {
            // Here the earlier import had come to the end of the file, and made what it held back.
            drafts = self.settle_for(if self.before.is_final() { End::File } else { End::Pause });
        }
        self.settled_before |= is_torn || !drafts.is_empty() || self.before.ends_at(&line);
        if !is_torn && self.settled == Some(End::File) {
            self.taker.go_on();
            drafts.extend(self.drafts(Some(Kind::More)));
        }
        (self.settled, self.at_end) = (None, 0);
        self.end = line.offset + line.len as u64 + u64::from(line.ending == Ending::Newline);
        self.reading.line(self.lines.bytes(&line), line.ending == Ending::Newline);
        let damage = self.taker.take(&line, self.lines.bytes(&line));
        if is_torn {
            // Nor must what it leads to wait for the next.
            self.taker.settle(End::Pause, false);
            self.settled = Some(End::File);
        }
        drafts.extend(self.drafts(is_torn.then_some(Kind::Torn)));
        Ok(Some(ImportStep { damage, ..self.step(line.number, line.offset, drafts) }))
    }

    /// Whether a line is the last one and was cut short. A whole record does not change when its line break comes.
    fn is_torn(&self, line: &RawLine) -> bool {
        let is_bad = || matches!(judge(self.lines.bytes(line), line.ending, &|_, _| true), Judged::Bad(_));
        self.before.was_last(line) || (line.ending == Ending::EndOfFile && (!line.begins || is_bad()))
    }

    /// What has become of the lines so far.
    pub fn counts(&self) -> &ImportCounts {
        &self.taker.counts
    }

    /// How many bytes have been read.
    pub fn position(&self) -> u64 {
        self.end
    }

    /// Makes the events that are held back until the next record: for a file that has been still for a while.
    pub fn settle(&mut self) -> ImportStep {
        let drafts = self.settle_for(End::Pause);
        self.step(0, self.end, drafts)
    }

    /// Makes the events that are held back. Those that only the end of the file brings have ids of their own: had the
    /// file gone on, they would have come elsewhere.
    fn settle_for(&mut self, end: End) -> Vec<Draft> {
        let mut drafts = Vec::new();
        if self.settled.is_none() {
            // If anything is held back, the last event of an import says so by its id, though it was made before.
            self.taker.settle(End::Pause, true);
            drafts = self.drafts(Some(Kind::Pause));
        }
        if end == End::File && self.settled != Some(End::File) {
            self.taker.settle(End::File, true);
            drafts.extend(self.drafts(Some(Kind::End)));
        }
        if self.settled != Some(End::File) {
            self.settled = Some(end);
        }
        drafts
    }

    /// The events that were made, with their ids; without those that an earlier import has brought.
    fn drafts(&mut self, made_by: Option<Kind>) -> Vec<Draft> {
        let (brought, mut drafts) = (self.reading.brought(), Vec::with_capacity(self.taker.out.drafts.len()));
        for (place, draft) in self.taker.out.drafts.drain(..) {
            let own = if place.own { Kind::Own } else { Kind::Late };
            let mut id = EventId { offset: place.offset, index: place.index, kind: made_by.unwrap_or(own), brought };
            if made_by.is_some_and(|kind| kind != Kind::Torn) {
                (id.offset, id.index) = (brought.bytes(), self.at_end);
                self.at_end += 1;
            } else if made_by.is_some() {
                (id.index, self.at_end) = (self.at_end, self.at_end + 1);
            }
            // Entries of foldlog's own have ids of their own.
            let given = draft.given_id().is_some();
            let draft = if given { draft } else { draft.id(id.text()) };
            if !self.before.holds((!given).then_some(&id)) {
                drafts.push(draft);
            }
        }
        drafts
    }

    fn step(&mut self, line: u64, offset: u64, drafts: Vec<Draft>) -> ImportStep {
        self.taker.count();
        self.taker.counts.events += drafts.len() as u64;
        ImportStep { line, offset, drafts, damage: None }
    }
}

/// The first events of a session: that it began, and what it was imported from.
fn opening(source: &Source) -> Vec<Draft> {
    let mark = mark(source.format, &source.fingerprint);
    let at = |draft: Draft| source.began.map_or(draft.clone(), |time| draft.time(time));
    if source.format == SourceFormat::Foldlog {
        return vec![at(mark)]; // the session's own start is among its entries
    }
    let mut started = SessionStarted::new(source.session_id.as_str());
    started.agent_id = source.agent_id.as_deref().map(Into::into);
    started.created_at = source.began.map(|time| time.to_string().into());
    started.parent = source.parent.clone().map(|id| Parent { session_id: Some(id), ..Parent::default() });
    vec![at(started.into()), at(mark)]
}

impl<R> std::fmt::Debug for Importer<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Importer").field("format", &self.taker.row.name).finish_non_exhaustive()
    }
}
