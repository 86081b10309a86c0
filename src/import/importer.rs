//! From the lines of a file to drafts, with every line accounted for.

use crate::draft::Draft;
use crate::event::{Custom, Parent, SessionStarted};
use crate::import::keep;
use crate::import::out::Place;
use crate::import::{Fate, Mapper, Out, Row, Source, SourceFormat};
use crate::json::Json;
use crate::mend::{Bad, Ending, Fault, Judged, Object, Piece, RawLine, RawLines, judge};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, BufRead};

/// How many different names of unknown records are told apart; what is in a file cannot fill the memory.
const MOST_NAMES: usize = 1000;

/// What became of the lines of a file: `lines == mapped + kept_raw + damaged`. Blank lines do not count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ImportCounts {
    /// How many lines there were.
    pub lines: u64,
    /// Lines that became events.
    pub mapped: u64,
    /// Whole records kept as they are, as `custom` events.
    pub kept_raw: u64,
    /// Lines that were not just one whole record. What could not be read of them is kept as `unparsed`.
    pub damaged: u64,
    /// Whole records that were saved out of damaged lines.
    pub salvaged: u64,
    /// Events given out.
    pub events: u64,
    /// What was not understood, by name: kept raw all the same.
    pub unknown: BTreeMap<String, u64>,
}

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
    row: &'static Row,
    mapper: Box<dyn Mapper>,
    out: Out,
    counts: ImportCounts,
    /// The first events, until they are given out.
    opening: Vec<Draft>,
    /// Events up to here are in the session already.
    skip: Option<Place>,
    /// So many events are in the session already.
    skip_count: u64,
    /// A torn last line that is in the session already: where it stands, and how long it was.
    torn_before: Option<(u64, usize)>,
    /// Where reading has got to.
    end: u64,
}

impl<R: BufRead> Importer<R> {
    /// Reads `input` from its beginning.
    pub fn new(input: R, source: &Source) -> Importer<R> {
        let row = source.format.row();
        Importer {
            lines: RawLines::new(input),
            row,
            mapper: (row.mapper)(source),
            out: Out::default(),
            counts: ImportCounts::default(),
            opening: opening(source),
            skip: None,
            skip_count: 0,
            torn_before: None,
            end: 0,
        }
    }

    /// Leaves out everything up to the event with this id: the last one that an earlier import brought. `false` if that
    /// is no id of an import.
    pub fn resume_behind(&mut self, last_id: &str) -> bool {
        let (id, torn) = match last_id.split_once(".torn.") {
            Some((offset, len)) => (format!("{offset}.0"), len.parse::<usize>().ok()),
            None => (last_id.to_owned(), None),
        };
        let Some(place) = Place::parse(&id) else { return false };
        match torn {
            // Everything before the torn line is there; of the line itself nothing is.
            Some(len) => {
                self.torn_before = Some((place.offset, len));
                self.skip = Some(Place { offset: place.offset.saturating_sub(1), index: u64::MAX });
            }
            None => self.skip = Some(place),
        }
        true
    }

    /// Leaves out as many events: those that an earlier import of a foldlog file brought, which bear ids of their own.
    pub fn resume_behind_events(&mut self, count: u64) {
        self.skip_count = count;
    }

    /// The next line's events; `None` at the end. With `at_end`, a last line without a line break counts; else it is
    /// kept back until the file has grown.
    ///
    /// # Errors
    /// If the input cannot be read.
    pub fn next(&mut self, at_end: bool) -> io::Result<Option<ImportStep>> {
        if !self.opening.is_empty() {
            for draft in std::mem::take(&mut self.opening) {
                self.out.push(draft);
            }
            return Ok(Some(self.step(0, 0, None)));
        }
        let Some(line) = self.lines.next(at_end)? else {
            // Only the end of the file: what was held back is due.
            if at_end {
                self.mapper.settle(&mut self.out);
            }
            let step = self.step(0, self.end, None);
            return Ok((!step.drafts.is_empty()).then_some(step));
        };
        self.end = line.offset + line.len as u64 + u64::from(line.ending == Ending::Newline);
        let damage = self.take(&line);
        Ok(Some(self.step(line.number, line.offset, damage)))
    }

    /// What has become of the lines so far.
    pub fn counts(&self) -> &ImportCounts {
        &self.counts
    }

    /// How many bytes have been read.
    pub fn position(&self) -> u64 {
        self.end
    }

    /// Lets go of what was held back until the next record: for a file that has been still for a while.
    pub fn settle(&mut self) -> ImportStep {
        self.mapper.settle(&mut self.out);
        self.step(0, self.end, None)
    }

    fn step(&mut self, line: u64, offset: u64, damage: Option<String>) -> ImportStep {
        let skip = self.skip;
        let mut drafts = Vec::with_capacity(self.out.drafts.len());
        for (place, draft) in self.out.drafts.drain(..) {
            if self.skip_count > 0 {
                self.skip_count -= 1;
            } else if skip.is_none_or(|skip| place > skip) {
                drafts.push(match draft.given_id() {
                    Some(_) => draft,
                    None => draft.id(place.id()),
                });
            }
        }
        self.counts.events += drafts.len() as u64;
        ImportStep { line, offset, drafts, damage }
    }

    /// Makes events of a line, and counts it.
    fn take(&mut self, line: &RawLine) -> Option<String> {
        let bytes = self.lines.bytes(line);
        self.out.begin_line(line.offset);
        if !line.begins || line.ending == Ending::Continued {
            let why = "the line is longer than a line may be";
            keep::unparsed(bytes, why, &mut self.out);
            self.counts.lines += u64::from(line.begins);
            self.counts.damaged += u64::from(line.begins);
            return line.begins.then(|| why.to_owned());
        }
        let bytes = match line.offset {
            0 => bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes),
            _ => bytes,
        };
        let row = self.row;
        let is_record = |text: &str| Object::parse(text).is_some_and(|record| (row.is_record)(text, &record));
        let bad = match judge(bytes, line.ending, &is_record) {
            Judged::Blank => return None,
            Judged::Good(text) => {
                self.counts.lines += 1;
                let became = take_record(row, &mut *self.mapper, text.trim(), &mut self.out, &mut self.counts);
                return match became {
                    Became::Events => {
                        self.counts.mapped += 1;
                        None
                    }
                    Became::Kept => {
                        self.counts.kept_raw += 1;
                        None
                    }
                    Became::Refused(why) => {
                        self.counts.damaged += 1;
                        Some(why.to_owned())
                    }
                };
            }
            Judged::Bad(bad) => bad,
        };
        self.counts.lines += 1;
        self.counts.damaged += 1;
        let what = in_words(&bad);
        let torn =
            line.ending == Ending::EndOfFile && !bad.pieces.iter().any(|piece| matches!(piece, Piece::Record { .. }));
        if torn {
            self.mapper.settle(&mut self.out);
            if self.torn_before != Some((line.offset, line.len)) {
                let from = self.out.drafts.len();
                keep::unparsed(bytes, &what, &mut self.out);
                for (_, draft) in &mut self.out.drafts[from..] {
                    *draft = draft.clone().id(format!("{}.torn.{}", line.offset, line.len));
                }
            }
            return Some(what);
        }
        for piece in bad.pieces {
            match piece {
                Piece::Lost(range) => keep::unparsed(&bytes[range], &what, &mut self.out),
                Piece::Record { text, at: _, changed } => {
                    self.counts.salvaged += 1;
                    take_record(row, &mut *self.mapper, &text, &mut self.out, &mut self.counts);
                    if changed {
                        keep::unparsed(bytes, &what, &mut self.out);
                    }
                }
            }
        }
        Some(what)
    }
}

/// What a whole record became.
enum Became {
    Events,
    Kept,
    /// It is not to be believed.
    Refused(&'static str),
}

/// Makes events of a record.
fn take_record(row: &Row, mapper: &mut dyn Mapper, text: &str, out: &mut Out, counts: &mut ImportCounts) -> Became {
    let from = out.drafts.len();
    let fate = mapper.record(text, out);
    if let Some(fault) = out.drafts[from..].iter().find_map(|(_, draft)| draft.fault().map(|fault| fault.to_string())) {
        // An event that the log cannot take: its place is kept, so that those behind it keep theirs.
        out.drafts.retain(|(_, draft)| draft.fault().is_none());
        keep::unparsed(text.as_bytes(), &fault, out);
        return Became::Kept;
    }
    let mut count = |kind: &str| {
        let full = counts.unknown.len() >= MOST_NAMES && !counts.unknown.contains_key(kind);
        *counts.unknown.entry(if full { "others".to_owned() } else { kind.to_owned() }).or_default() += 1;
    };
    match fate {
        Fate::Mapped => Became::Events,
        Fate::Kept(kind) => {
            keep::record(row.name, &kind, text, out);
            Became::Kept
        }
        Fate::Unknown(kind) => {
            count(&kind);
            keep::record(row.name, &kind, text, out);
            Became::Kept
        }
        Fate::Partly(kind) => {
            count(&kind);
            keep::record(row.name, &kind, text, out);
            Became::Events
        }
        Fate::Refused(why) => {
            keep::unparsed(text.as_bytes(), why, out);
            Became::Refused(why)
        }
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

/// What is wrong with a line.
fn in_words(bad: &Bad<'_>) -> String {
    let words: Vec<&str> = bad.faults.iter().map(|(fault, _)| fault.words()).collect();
    match words.is_empty() {
        true => Fault::NotJson.words().to_owned(),
        false => words.join("; "),
    }
}

impl<R> std::fmt::Debug for Importer<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Importer").field("format", &self.row.name).finish_non_exhaustive()
    }
}
