//! [`Importer`]: a file as another recorder wrote it, read line by line; what an earlier import brought is left out.

use crate::draft::Draft;
use crate::event::{Custom, Parent, SessionStarted};
use crate::import::before::Before;
use crate::import::take::{ImportCounts, Taker};
use crate::import::{Source, SourceFormat};
use crate::json::Json;
use crate::mend::{Ending, Object, RawLines};
use serde::Serialize;
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
/// let source = Source::identify(file, &SourceName { stem: "s-1".into(), parent: None }, None).expect("a known format");
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
    /// Where reading has got to.
    end: u64,
    /// What is held back there has been given out.
    is_settled: bool,
}

impl<R: BufRead> Importer<R> {
    /// Reads `input` from its beginning.
    pub fn new(input: R, source: &Source) -> Importer<R> {
        Importer {
            lines: RawLines::new(input),
            taker: Taker::new(source),
            opening: opening(source),
            before: Before::Nothing,
            settled_before: false,
            end: 0,
            is_settled: false,
        }
    }

    /// Leaves out everything up to the event with this id: the last one that an earlier import brought. `false` if that
    /// is no id of an import.
    pub fn resume_behind(&mut self, last_id: &str) -> bool {
        match Before::parse(last_id) {
            Some(before) => self.before = before,
            None => return false,
        }
        true
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
            if matches!(self.before, Before::End { .. }) {
                self.taker.out.drafts.clear(); // they come before every end, also one in the first line
            }
            return Ok(Some(self.step(0, 0, None)));
        }
        let Some(line) = self.lines.next(at_end)? else {
            // Only the end of the file: what was held back is due.
            let step = if at_end { self.settle() } else { ImportStep::default() };
            return Ok((!step.drafts.is_empty()).then_some(step));
        };
        let last = line.ending == Ending::EndOfFile || self.before.was_last(&line);
        let mut earlier = Vec::new();
        // The last line may yet change: what was held back must not wait for it.
        if last || (!self.settled_before && self.before.ends_at(&line)) {
            self.settled_before = true;
            // Here the earlier import had come to the end of the file, and given out what it held back.
            earlier = self.settle().drafts;
        }
        self.end = line.offset + line.len as u64 + u64::from(line.ending == Ending::Newline);
        let damage = self.taker.take(&line, self.lines.bytes(&line));
        self.is_settled = last;
        if last {
            // Nor must what it leads to wait for the next.
            self.taker.settle(false);
            for (index, (_, draft)) in self.taker.out.drafts.iter_mut().enumerate() {
                if draft.given_id().is_none() {
                    *draft = draft.clone().id(format!("{}.{index}.torn.{}", line.offset, line.len));
                }
            }
        }
        let mut step = self.step(line.number, line.offset, damage);
        step.drafts.splice(0..0, earlier);
        Ok(Some(step))
    }

    /// What has become of the lines so far.
    pub fn counts(&self) -> &ImportCounts {
        &self.taker.counts
    }

    /// How many bytes have been read.
    pub fn position(&self) -> u64 {
        self.end
    }

    /// Gives out what is held back until the next record: for a file that has been still for a while.
    pub fn settle(&mut self) -> ImportStep {
        // If anything is held back, the last event of an import says so by its id, though the same was given out before.
        if !std::mem::replace(&mut self.is_settled, true) {
            self.taker.settle(true);
        }
        // What the end of the file brought has ids of its own: had the file gone on, it would have come elsewhere.
        for (index, (_, draft)) in self.taker.out.drafts.iter_mut().enumerate() {
            *draft = draft.clone().id(format!("{}.{index}.end", self.end));
        }
        self.step(0, self.end, None)
    }

    fn step(&mut self, line: u64, offset: u64, damage: Option<String>) -> ImportStep {
        let mut drafts = Vec::with_capacity(self.taker.out.drafts.len());
        for (place, draft) in self.taker.out.drafts.drain(..) {
            let draft = match draft.given_id() {
                Some(_) => draft,
                None => draft.id(place.id()),
            };
            if !self.before.holds(&draft, place) {
                drafts.push(draft);
            }
        }
        self.taker.counts.events += drafts.len() as u64;
        ImportStep { line, offset, drafts, damage }
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

/// The event that tells an imported session from others, and what it was imported from.
pub(super) fn mark(format: SourceFormat, fingerprint: &str) -> Draft {
    let mark = ImportMark { format: format.name(), fingerprint };
    Draft::from(Custom::new(ImportMark::NAME, Json::new(&mark).unwrap_or_else(|_| Json::null())))
}

#[derive(Serialize)]
struct ImportMark<'a> {
    format: &'a str,
    fingerprint: &'a str,
}

impl ImportMark<'_> {
    const NAME: &'static str = "foldlog.imported";
}

impl Source {
    /// Whether a `custom` event says that its session was imported from this file.
    pub fn is_named_by(&self, custom: &Custom<'_>) -> bool {
        let Some(mark) = Object::parse(custom.value.as_str()) else { return false };
        custom.name == ImportMark::NAME
            && mark.text("format").as_deref() == Some(self.format.name())
            // A document is rewritten whole: its first line does not stay.
            && (self.format == SourceFormat::Calute || mark.text("fingerprint").as_deref() == Some(&*self.fingerprint))
    }
}

impl<R> std::fmt::Debug for Importer<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Importer").field("format", &self.taker.row.name).finish_non_exhaustive()
    }
}
