//! What becomes of a record in a repaired copy: as little as possible.

use crate::interop::doctor::links::parent_key;
use crate::interop::import::source::SourceFormat;
use crate::json::members::Object;

/// The characters at which some readers split lines, and how they are escaped.
const SEPARATORS: [(&str, &str); 3] = [("\u{2028}", "\\u2028"), ("\u{2029}", "\\u2029"), ("\u{85}", "\\u0085")];

/// Whether a text holds characters at which some readers split lines.
pub(super) fn separator_in(text: &[u8]) -> Option<usize> {
    let long = memchr::memmem::find_iter(text, b"\xE2\x80").find(|at| matches!(text.get(at + 2), Some(0xA8 | 0xA9)));
    let short = || memchr::memmem::find(text, b"\xC2\x85");
    long.or_else(short)
}

/// A record with those characters escaped. They can stand only inside strings.
pub(super) fn escape_separators(text: &str) -> String {
    SEPARATORS.iter().fold(text.to_owned(), |text, (raw, escaped)| text.replace(raw, escaped))
}

/// A record that names another parent: the value of the one key is exchanged, and no other byte.
pub(super) fn relink(format: SourceFormat, text: &str, parent: Option<&str>) -> Option<String> {
    let value = Object::parse(text)?.raw(parent_key(format)?)?;
    let at = (value.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    let before = text.get(..at)?;
    let behind = text.get(at + value.len()..)?;
    let parent = match parent {
        Some(id) => serde_json::to_string(id).ok()?,
        None => "null".to_owned(),
    };
    Some(format!("{before}{parent}{behind}"))
}

/// The id by which a record can be named as a parent.
pub(super) fn id_of(format: SourceFormat, record: &Object<'_>) -> Option<String> {
    let key = match format {
        SourceFormat::ClaudeCode => "uuid",
        SourceFormat::Copilot => "id",
        _ => return None,
    };
    record.text(key).map(|id| id.into_string())
}
