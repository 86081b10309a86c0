//! One line after the other becomes events, and is counted: mapped, kept as it is, or damaged.

use crate::format::line::MAX_LINE;
use crate::interop::import::mapper::{End, Mapper, Row};
use crate::interop::import::{Fate, Note, Out, Source, keep};
use crate::interop::jsonl::{Bad, Ending, Fault, Judged, Piece, RawLine, judge};
use crate::json::members::Object;
use serde::Serialize;
use std::collections::BTreeMap;

/// How many different names of unknown records are told apart; what is in a file cannot fill the memory.
const MOST_NAMES: usize = 1000;
/// The longest such name, in characters.
const LONGEST_NAME: usize = 64;

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
    /// What was understood and makes no event, by name: kept raw.
    pub kept: BTreeMap<String, u64>,
    /// What was odd about records that were understood, by name.
    pub notes: BTreeMap<&'static str, u64>,
    /// Mapped lines whose events are still to come; none at the end of a file.
    #[serde(skip)]
    pub held: u64,
}

impl ImportCounts {
    /// What was odd, in words: `2 usages without a call`.
    pub fn notes_in_words(&self) -> Vec<String> {
        let words = |(name, count): (&&str, &u64)| {
            let [_, one, several] = Note::ALL.iter().map(|note| note.words()).find(|words| words[0] == *name)?;
            Some(format!("{count} {}", if *count == 1 { one } else { several }))
        };
        self.notes.iter().filter_map(words).collect()
    }
}

/// Takes lines, and keeps what their events still need.
pub(super) struct Taker {
    pub(super) row: &'static Row,
    mapper: Box<dyn Mapper>,
    pub(super) out: Out,
    pub(super) counts: ImportCounts,
}

impl Taker {
    pub(super) fn new(source: &Source) -> Taker {
        let row = source.format.row();
        // Until a record says when it happened, the session has just begun.
        let mut out = Out::default();
        out.set_time(source.began);
        Taker { row, mapper: (row.mapper)(source), out, counts: ImportCounts::default() }
    }

    /// Makes the events that are held back until the next record; with `again`, also those made at an earlier end.
    pub(super) fn settle(&mut self, end: End, again: bool) {
        self.mapper.settle(end, again, &mut self.out);
    }

    /// The file goes on after an end.
    pub(super) fn go_on(&mut self) {
        self.mapper.go_on(&mut self.out);
    }

    /// Brings the counts up to date with what the events so far showed.
    pub(super) fn count(&mut self) {
        self.counts.held = self.out.held();
        self.counts.notes = self.out.notes.iter().map(|(note, count)| (note.words()[0], *count)).collect();
    }

    /// Makes events of a line, and counts it.
    pub(super) fn take(&mut self, line: &RawLine, bytes: &[u8]) -> Option<String> {
        self.out.begin_line(line.offset);
        if !line.begins || line.ending == Ending::Continued {
            let why = format!("longer than {MAX_LINE} bytes, the most that a line may have: kept in pieces, unread");
            if bytes.iter().any(|byte| *byte != 0) {
                keep::unparsed(bytes, &why, &mut self.out);
            }
            self.counts.lines += u64::from(line.begins);
            self.counts.damaged += u64::from(line.begins);
            return line.begins.then_some(why);
        }
        let bytes = match line.offset {
            0 => bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes),
            _ => bytes,
        };
        let row = self.row;
        let is_record = |text: &str, _: bool| Object::parse(text).is_some_and(|record| (row.is_record)(text, &record));
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
        if !bad.pieces.iter().any(|piece| matches!(piece, Piece::Record { .. })) {
            keep::unparsed(bytes, &what, &mut self.out);
        } else {
            self.take_pieces(bytes, bad.pieces, &what);
        }
        Some(what)
    }

    /// Takes a bad line of which something can be saved.
    fn take_pieces(&mut self, bytes: &[u8], pieces: Vec<Piece<'_>>, what: &str) {
        for piece in pieces {
            match piece {
                Piece::Lost(range) => keep::unparsed(&bytes[range], what, &mut self.out),
                Piece::Record { text, at: _, changed } => {
                    self.counts.salvaged += 1;
                    take_record(self.row, &mut *self.mapper, &text, &mut self.out, &mut self.counts);
                    if changed {
                        keep::unparsed(bytes, what, &mut self.out);
                    }
                }
            }
        }
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
    // A name out of a file may be anything, and of any length.
    let named = |kind: &str| match kind.is_empty() {
        true => "untyped".to_owned(),
        false => kind.chars().take(LONGEST_NAME).collect(),
    };
    let keep = |kind: String, names: &mut BTreeMap<String, u64>, out: &mut Out| {
        keep::record(row.name, &kind, text, out);
        let full = names.len() >= MOST_NAMES && !names.contains_key(&kind);
        *names.entry(if full { "others".to_owned() } else { kind }).or_default() += 1;
    };
    match fate {
        // Nothing is called mapped that is in no event.
        Fate::Mapped if out.drafts.len() == from && !out.is_held() => {
            let kind = Object::parse(text).and_then(|record| Some(record.text("type")?.into_string()));
            keep(named(&kind.unwrap_or_default()), &mut counts.kept, out);
            Became::Kept
        }
        Fate::Mapped => Became::Events,
        Fate::Kept(kind) => {
            keep(named(&kind), &mut counts.kept, out);
            Became::Kept
        }
        Fate::Unknown(kind) => {
            keep(named(&kind), &mut counts.unknown, out);
            Became::Kept
        }
        Fate::Partly(kind) => {
            keep(named(&kind), &mut counts.unknown, out);
            Became::Events
        }
        Fate::Refused(why) => {
            keep::unparsed(text.as_bytes(), why, out);
            Became::Refused(why)
        }
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
