//! Logs that other recorders wrote, as events: one file a format, pure, from lines to drafts.
//!
//! A mapper sees one record at a time and says what became of it; [`Importer`] reads the lines, saves what can be saved
//! of bad ones, and sees to it that every line is accounted for. What a mapper makes depends on the lines so far and on
//! nothing else: reading the same file again gives the same events, which is how only what is new is added.

mod account;
mod brought;
mod calute;
mod claude_code;
mod codex;
mod conclude;
mod copilot;
mod detect;
mod drafts;
mod foldlog;
mod formats;
mod gemini;
mod importer;
mod keep;
mod mapper;
mod mark;
mod resume;
pub(crate) mod source;
mod turn_list;

pub use account::ImportCounts;
pub use brought::{Brought, Continuation};
pub use calute::{BrokenDocument, CaluteDocument, CaluteDocuments};
pub use importer::{ImportStep, Importer};
pub use source::{Source, SourceName};

pub(crate) use drafts::{Fate, Held, Note, Out, arguments, hash, is_one_of, millis_between};

#[cfg(test)]
mod tests {
    use crate::interop::import::source::SourceFormat;

    #[test]
    fn every_format_has_its_row() {
        use SourceFormat::{Calute, ClaudeCode, Codex, Copilot, Foldlog, Gemini};
        for format in [Calute, ClaudeCode, Codex, Copilot, Foldlog, Gemini] {
            assert_eq!(format.row().format, format);
        }
    }
}
