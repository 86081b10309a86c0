//! The events, one a line, as `foldlog record` reads them: no number and no checksum, everything else as it was recorded.
//!
//! Recorded again they fold into the same record. The recorder's own entries stay behind, and so does the session's id,
//! since it is the new journal's that counts. A gap becomes a `custom` event of the name `foldlog.gap`.

use crate::json::{Json, Metadata};
use crate::model::entry::Entry;
use crate::model::gap::Gap;
use crate::model::time::Timestamp;
use serde::Serialize;
use std::borrow::Cow;
use std::io::{self, Write};

/// Writes one entry.
pub(super) fn entry(entry: &Entry<'_>, out: &mut dyn Write) -> io::Result<()> {
    if entry.is_recorders_own() {
        return Ok(());
    }
    let data = match entry.type_name() {
        "session_started" => without_session_id(entry.data()).map_or(Cow::Borrowed(entry.data()), Cow::Owned),
        _ => Cow::Borrowed(entry.data()),
    };
    write!(out, "{{\"type\":\"{}\",\"time\":\"{}\"", entry.type_name(), entry.time())?;
    if let Some(id) = entry.id() {
        write!(out, ",\"id\":{}", Json::string(id).as_str())?;
    }
    writeln!(out, ",\"data\":{data}}}")
}

/// Says that something is missing here. `time`: that of the entry before.
pub(super) fn gap(gap: &Gap, time: Timestamp, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Custom<'a> {
        name: &'static str,
        value: &'a Gap,
    }
    let data = serde_json::to_string(&Custom { name: "foldlog.gap", value: gap })?;
    writeln!(out, "{{\"type\":\"custom\",\"time\":\"{time}\",\"data\":{data}}}")
}

fn without_session_id(data: &str) -> Option<String> {
    let mut members: Metadata = serde_json::from_str(data).ok()?;
    members.shift_remove("session_id")?;
    serde_json::to_string(&members).ok()
}
