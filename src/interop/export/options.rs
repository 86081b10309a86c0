//! What is exported, and how.

use crate::interop::export::select::TurnRange;
use std::io::{self, Write};

/// What is exported, and how.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ExportOptions {
    /// Only these turns; all of them if absent.
    pub turns: Option<TurnRange>,
    /// Prompts, answers, arguments and results in the formats that are for machines (`otlp`, `chrome`). The others always
    /// have them.
    pub content: bool,
    /// Secrets are replaced by `[REDACTED:kind]`.
    pub redact: bool,
    /// JSON on many lines, indented.
    pub pretty: bool,
}

impl ExportOptions {
    /// Only these turns.
    pub fn turns(mut self, turns: impl Into<Option<TurnRange>>) -> ExportOptions {
        self.turns = turns.into();
        self
    }

    /// With prompts, answers, arguments and results, or without.
    pub fn content(mut self, content: bool) -> ExportOptions {
        self.content = content;
        self
    }

    /// Without secrets, or as recorded.
    pub fn redact(mut self, redact: bool) -> ExportOptions {
        self.redact = redact;
        self
    }

    /// JSON on many lines, or on one.
    pub fn pretty(mut self, pretty: bool) -> ExportOptions {
        self.pretty = pretty;
        self
    }
}

/// JSON, on one line or on many, and a line break.
pub(crate) fn write_json(value: &impl serde::Serialize, pretty: bool, out: &mut dyn Write) -> io::Result<()> {
    match pretty {
        true => serde_json::to_writer_pretty(&mut *out, value),
        false => serde_json::to_writer(&mut *out, value),
    }?;
    out.write_all(b"\n")
}
