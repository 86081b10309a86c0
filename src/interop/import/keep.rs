//! What is kept of input that did not become events.

use crate::format::draft::Draft;
use crate::interop::import::Out;
use crate::json::Json;
use crate::model::event::{Custom, Unparsed};
use base64::Engine;

/// How much of a line that cannot be read goes into one event: base64 and escapes make more of it, and a line of ours
/// has its limit too.
const PART: usize = 8 << 20;

/// Keeps a record as it is.
pub(super) fn record(format: &str, kind: &str, text: &str, out: &mut Out) {
    match Json::parse(text).map(|value| Draft::from(Custom::new(format!("{format}.{kind}"), value))) {
        Ok(draft) if draft.fault().is_none() => out.push(draft),
        Ok(_) => unparsed(text.as_bytes(), "the record is too large or nested too deep for an event", out),
        Err(error) => unparsed(text.as_bytes(), &error.to_string(), out),
    }
}

/// Keeps bytes that are no record.
pub(super) fn unparsed(bytes: &[u8], error: &str, out: &mut Out) {
    for part in bytes.chunks(PART) {
        let kept = Unparsed::new(error);
        // Control characters grow sixfold when they are escaped.
        let plain = std::str::from_utf8(part).ok().filter(|text| !text.contains('\0'));
        out.push(match plain {
            Some(text) => kept.text(text),
            None => kept.text_base64(base64::engine::general_purpose::STANDARD.encode(part)),
        });
    }
}
