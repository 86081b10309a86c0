//! Logs that other recorders wrote, as events: one file a format, pure, from lines to drafts.
//!
//! A mapper sees one record at a time and says what became of it; [`Importer`] reads the lines, saves what can be saved
//! of bad ones, and sees to it that every line is accounted for. What a mapper makes depends on the lines so far and on
//! nothing else: reading the same file again gives the same events, which is how only what is new is added.

mod before;
mod brought;
mod calute;
mod claude_code;
mod codex;
mod conclude;
mod copilot;
mod foldlog;
mod gemini;
mod importer;
mod keep;
mod out;
mod source;
mod take;

pub use brought::{Brought, Continuation};
pub use calute::{BrokenDocument, CaluteDocument, CaluteDocuments};
pub use importer::{ImportStep, Importer};
pub use source::{Source, SourceName};
pub use take::ImportCounts;

pub(crate) use out::{Fate, Held, Note, Out, arguments, is_one_of, millis_between};

use crate::mend::Object;
use crate::time::Timestamp;

/// A format that can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SourceFormat {
    /// Session records as JSON: the data model that sessions fold into.
    Calute,
    /// Transcripts of Claude Code.
    ClaudeCode,
    /// Rollouts of Codex.
    Codex,
    /// Event logs of the Copilot command line.
    Copilot,
    /// Chats of the Gemini command line.
    Gemini,
    /// Segments of foldlog, damaged ones too.
    Foldlog,
}

/// What makes events of one format's records.
pub(crate) trait Mapper: Send {
    /// Makes events of a whole record, and says what became of it.
    fn record(&mut self, text: &str, out: &mut Out) -> Fate;

    /// Makes the events that are held back until the next record shows whether more belongs to them: the file ends here,
    /// for now. What later records become must not depend on where that was. Events made here once are made again only
    /// with `again`, at another end.
    fn settle(&mut self, _end: End, _again: bool, _out: &mut Out) {}

    /// The file goes on after an end at which `settle` was called with [`End::File`]: takes back what was only
    /// concluded from that end.
    fn go_on(&mut self, _out: &mut Out) {}
}

/// Why no further record is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The file has not grown for a moment, and is followed on.
    Pause,
    /// This import ends here: what the records so far let one conclude is concluded.
    File,
}

/// What a record says about the session of its file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    /// What the file's name says.
    pub(crate) name: SourceName,
    pub(crate) session_id: Option<String>,
    pub(crate) parent: Option<String>,
    pub(crate) agent_id: Option<String>,
    pub(crate) time: Option<Timestamp>,
}

/// One format: a row of the table.
pub(crate) struct Row {
    pub(crate) format: SourceFormat,
    pub(crate) name: &'static str,
    /// Whether an object is a record of this format: tells formats apart, and records from what is nested in them.
    pub(crate) is_record: fn(&str, &Object<'_>) -> bool,
    /// Whether a record is a part of a conversation: a file without any is claimed by no format.
    pub(crate) speaks: fn(&Object<'_>) -> bool,
    /// Learns about the session from a record, the first ones first.
    pub(crate) identify: fn(&Object<'_>, &mut Identity),
    pub(crate) mapper: fn(&Source) -> Box<dyn Mapper>,
}

/// Every format that is read line by line. To add one: a file, and a row here.
pub(crate) const FORMATS: &[Row] =
    &[claude_code::ROW, codex::ROW, copilot::ROW, gemini::ROW, foldlog::ROW, calute::ROW];

impl SourceFormat {
    /// Every format, by its name on the command line.
    pub fn all() -> impl Iterator<Item = (SourceFormat, &'static str)> {
        FORMATS.iter().map(|row| (row.format, row.name))
    }

    /// The format's name: `claude-code`.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    pub(crate) fn row(self) -> &'static Row {
        let row = FORMATS.iter().find(|row| row.format == self);
        row.expect("every format has its row: a test sees to it")
    }

    /// The format of a file, from its first bytes: the one that most of its records are of.
    pub fn detect(head: &[u8]) -> Option<SourceFormat> {
        source::detect(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_has_its_row() {
        use SourceFormat::{Calute, ClaudeCode, Codex, Copilot, Foldlog, Gemini};
        for format in [Calute, ClaudeCode, Codex, Copilot, Foldlog, Gemini] {
            assert_eq!(format.row().format, format);
        }
    }
}
