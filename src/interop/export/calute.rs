//! The SessionRecord: the data model that Calute and Xerxes keep a session in, as `foldlog fold` prints it.
//!
//! Every key is there, in the model's order, and raw JSON stays token for token.

use super::options::{ExportOptions, write_json};
use super::story::Story;
use std::io::{self, Write};

/// Writes the record.
pub(super) fn write(story: &Story, options: &ExportOptions, out: &mut dyn Write) -> io::Result<()> {
    write_json(&story.record, options.pretty, out)
}
