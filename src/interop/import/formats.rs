//! The table of formats that can be imported.

use crate::interop::import::mapper::Row;
use crate::interop::import::source::SourceFormat;
use crate::interop::import::{calute, claude_code, codex, copilot, foldlog, gemini};

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
}
