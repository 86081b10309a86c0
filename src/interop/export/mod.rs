//! Sessions in other formats: one file a format, and one table of them.
//!
//! Pure: entries in, text out. A format either writes entry by entry, or is told the whole [`Story`] at the end. Which
//! turns are wanted and what has to be hidden is decided here, before a format sees anything.

mod atif;
mod calute;
mod chrome;
mod html;
mod jsonl;
mod markdown;
pub(crate) mod options;
mod otlp;
mod otlp_wire;
mod select;
mod story;
mod text;

pub use select::TurnRange;

use crate::fold::{Origin, OutlineFold, OutlineTurn, Reducer};
use crate::interop::export::options::ExportOptions;
use crate::interop::redact::{PiecesFold, Redactor};
use crate::model::entry::Entry;
use crate::model::gap::Gap;
use crate::model::id::SessionId;
use crate::model::seq::Seq;
use crate::model::time::Timestamp;
use select::Selection;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use story::Story;
use story::fold::StoryFold;

/// A format in which a session can be handed on.
#[derive(Clone, Copy)]
pub struct Format(&'static Row);

/// What the table knows of a format.
struct Row {
    name: &'static str,
    media_type: &'static str,
    about: &'static str,
    way: Way,
}

/// How a format is written.
#[derive(Clone, Copy)]
enum Way {
    /// Entry by entry.
    Streamed { entry: WriteEntry, gap: WriteGap },
    /// From the whole story.
    Told(Tell),
}

type WriteEntry = fn(&Entry<'_>, &mut dyn Write) -> io::Result<()>;
type WriteGap = fn(&Gap, Timestamp, &mut dyn Write) -> io::Result<()>;
type Tell = fn(&Story, &ExportOptions, &mut dyn Write) -> io::Result<()>;

/// Every format. To add one, write its file and its row.
const TABLE: &[Row] = &[
    Row {
        name: "markdown",
        media_type: "text/markdown; charset=utf-8",
        about: "a page to read, paste and put under version control",
        way: Way::Told(markdown::write),
    },
    Row {
        name: "html",
        media_type: "text/html; charset=utf-8",
        about: "a page to read and print, in one file, without scripts and network",
        way: Way::Told(html::write),
    },
    Row {
        name: "jsonl",
        media_type: "application/x-ndjson",
        about: "the events, one a line, as `foldlog record` reads them",
        way: Way::Streamed { entry: jsonl::entry, gap: jsonl::gap },
    },
    Row {
        name: "calute",
        media_type: "application/json",
        about: "the SessionRecord, as `foldlog fold` prints it",
        way: Way::Told(calute::write),
    },
    Row {
        name: "otlp",
        media_type: "application/json",
        about: "OpenTelemetry traces (OTLP/JSON) with gen_ai attributes",
        way: Way::Told(otlp::write),
    },
    Row {
        name: "atif",
        media_type: "application/json",
        about: "an agent trajectory, ATIF v1.7",
        way: Way::Told(atif::write),
    },
    Row {
        name: "chrome",
        media_type: "application/json",
        about: "a Chrome trace; opens in Perfetto",
        way: Way::Told(chrome::write),
    },
];

impl Format {
    /// Every format, in the order of the table.
    pub fn all() -> impl Iterator<Item = Format> {
        TABLE.iter().map(Format)
    }

    /// The format of this name: `markdown`, `html`, `jsonl`, `calute`, `otlp`, `atif` or `chrome`.
    pub fn named(name: &str) -> Option<Format> {
        Format::all().find(|format| format.name() == name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        self.0.media_type
    }

    /// What it is, in a few words.
    pub fn about(self) -> &'static str {
        self.0.about
    }
}

impl PartialEq for Format {
    fn eq(&self, other: &Format) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Format {}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Format({})", self.name())
    }
}

/// What came of an export.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Exported {
    /// How many turns the session has.
    pub turns_in_session: usize,
    /// How many of them were asked for. With none, nothing was written, unless the session has none.
    pub turns: usize,
    /// How many secrets were replaced, by kind. Each occurrence in an event counts.
    pub redacted: BTreeMap<&'static str, u64>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
}

/// What has to be known before anything is written: which turns there are, and which secrets came in pieces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Before {
    outline: OutlineFold,
    pieces: Option<PiecesFold>,
}

impl Before {
    /// A pass over the entries for these options, if they need one.
    pub(crate) fn new(options: &ExportOptions) -> Option<Before> {
        let pieces = options.redact.then(PiecesFold::default);
        (options.turns.is_some() || pieces.is_some()).then(|| Before { outline: OutlineFold::default(), pieces })
    }

    /// The last entry that was seen: the export ends there too.
    pub(crate) fn last_seq(&self) -> Seq {
        self.outline.last_seq()
    }
}

impl Reducer for Before {
    type Output = Before;

    fn entry(&mut self, entry: &Entry<'_>) {
        self.outline.entry(entry);
        if let Some(pieces) = &mut self.pieces {
            pieces.entry(entry);
        }
    }

    fn finish(self) -> Before {
        self
    }
}

/// An export under way.
pub(crate) struct Exporter<'o> {
    options: &'o ExportOptions,
    selection: Option<Selection>,
    outline: Outline,
    redactor: Option<Redactor>,
    way: Under,
    last: Timestamp,
    /// What was left out because it is no JSON.
    not_json: Vec<Gap>,
}

/// The turns of the session: known, or learned on the way.
enum Outline {
    Known(usize),
    Learning(OutlineFold),
}

enum Under {
    Streamed(WriteEntry, WriteGap),
    Told(Box<StoryFold>, Tell),
}

impl<'o> Exporter<'o> {
    /// `live`: the session is being recorded, so what runs may run. `before`: see [`Before::new`].
    pub(crate) fn new(
        format: Format,
        options: &'o ExportOptions,
        origin: &Origin,
        live: bool,
        before: Option<Before>,
    ) -> Exporter<'o> {
        let (turns, edits) = match before {
            Some(before) => (Some(before.outline.finish()), before.pieces.map(Reducer::finish)),
            None => (None, None),
        };
        let mut redactor = edits.map(Redactor::new);
        let mut origin = origin.clone();
        let hidden = redactor.as_mut().and_then(|redactor| redactor.text(origin.session_id.as_str()));
        if let Some(hidden) = hidden.and_then(|id| SessionId::new(id).ok()) {
            origin.session_id = hidden;
        }
        let count = turns.as_ref().map(Vec::len);
        let selection =
            options.turns.zip(turns).map(|(range, turns): (_, Vec<OutlineTurn>)| Selection::new(range, turns));
        let way = match format.0.way {
            Way::Streamed { entry, gap } => Under::Streamed(entry, gap),
            Way::Told(tell) => {
                let part = selection.as_ref().map(Selection::first_number).zip(count);
                Under::Told(Box::new(StoryFold::new(&origin, live, part)), tell)
            }
        };
        let outline = count.map_or_else(|| Outline::Learning(OutlineFold::default()), Outline::Known);
        Exporter { options, selection, outline, redactor, way, last: origin.created, not_json: Vec::new() }
    }

    /// Whether turns were asked for and none of them is there: then there is nothing to be written.
    pub(crate) fn has_nothing(&self) -> bool {
        self.selection.as_ref().is_some_and(|selection| selection.count() == 0)
    }

    /// The next entry.
    pub(crate) fn entry(&mut self, entry: &Entry<'_>, out: &mut dyn Write) -> io::Result<()> {
        if let Outline::Learning(outline) = &mut self.outline {
            outline.entry(entry);
        }
        if self.selection.as_mut().is_some_and(|selection| !selection.takes(entry)) {
            return Ok(());
        }
        self.last = entry.time();
        if let (Under::Streamed(_, write), Some(gap)) = (&self.way, entry.gap_for_json()) {
            write(&gap, self.last, out)?;
            self.not_json.push(gap);
            return Ok(());
        }
        match &mut self.redactor {
            Some(redactor) => self.way.entry(&redactor.entry(entry), out),
            None => self.way.entry(entry, out),
        }
    }

    /// Something that could not be read. What the log itself explains is told by the entry that explains it.
    pub(crate) fn gap(&mut self, gap: &Gap, out: &mut dyn Write) -> io::Result<()> {
        if gap.explained || self.selection.as_ref().is_some_and(|selection| !selection.is_inside()) {
            return Ok(());
        }
        match &mut self.way {
            Under::Streamed(_, write) => write(gap, self.last, out),
            Under::Told(fold, _) => {
                fold.gap(gap);
                Ok(())
            }
        }
    }

    /// Writes what is still to be written.
    pub(crate) fn finish(self, out: &mut dyn Write) -> io::Result<Exported> {
        let turns_in_session = match self.outline {
            Outline::Known(count) => count,
            Outline::Learning(outline) => outline.finish().len(),
        };
        let turns = self.selection.as_ref().map_or(turns_in_session, Selection::count);
        if let Under::Told(fold, tell) = self.way {
            tell(&fold.finish(), self.options, out)?;
        }
        let redacted = self.redactor.map(Redactor::into_counts).unwrap_or_default();
        Ok(Exported { turns_in_session, turns, redacted, gaps: self.not_json })
    }
}

impl Under {
    fn entry(&mut self, entry: &Entry<'_>, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Under::Streamed(write, _) => write(entry, out),
            Under::Told(fold, _) => {
                fold.entry(entry);
                Ok(())
            }
        }
    }
}
