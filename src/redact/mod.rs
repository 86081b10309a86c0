//! Secrets taken out of entries on their way to somebody else. Pure; the log itself is never changed.
//!
//! What counts as a secret is in `secrets`; one that streamed in, in pieces, is found by `pieces` on a pass of its own.
//! A string without a secret stays as it is, and raw JSON stays token for token around one that had one.

mod pieces;
mod secrets;

pub(crate) use pieces::PiecesFold;

use crate::entry::Entry;
use crate::event::Event;
use pieces::Edits;
use secrets::Found;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Replaces secrets by `[REDACTED:kind]`, and counts them.
#[derive(Debug)]
pub(crate) struct Redactor {
    edits: Edits,
    counts: BTreeMap<&'static str, u64>,
}

impl Redactor {
    /// `edits`: what a pass with [`PiecesFold`] found.
    pub(crate) fn new(edits: Edits) -> Redactor {
        Redactor { edits, counts: BTreeMap::new() }
    }

    /// How many secrets of each kind have been replaced.
    pub(crate) fn into_counts(self) -> BTreeMap<&'static str, u64> {
        self.counts
    }

    /// The entry without secrets.
    pub(crate) fn entry<'e>(&mut self, entry: &'e Entry<'_>) -> Cow<'e, Entry<'e>> {
        let joined = self.edits.remove(&entry.seq().get()).and_then(|edits| self.edit(entry, edits));
        let data = joined.as_deref().unwrap_or(entry.data());
        let clean = self.json(data);
        let id = entry.id().and_then(|id| self.text(id));
        if joined.is_none() && clean.is_none() && id.is_none() {
            return Cow::Borrowed(entry);
        }
        let id = id.or_else(|| entry.id().map(str::to_owned));
        Cow::Owned(entry.with_data(clean.as_deref().unwrap_or(data), id))
    }

    /// The text without secrets; `None` if it had none.
    pub(crate) fn text(&mut self, text: &str) -> Option<String> {
        let found = secrets::find(text);
        if found.is_empty() {
            return None;
        }
        let mut clean = String::with_capacity(text.len());
        let mut rest = 0;
        for Found { range, kind } in found {
            clean.push_str(&text[rest..range.start]);
            self.mark(&mut clean, kind);
            rest = range.end;
        }
        clean.push_str(&text[rest..]);
        Some(clean)
    }

    /// The JSON with no secret in any of its strings, keys included; `None` if there was none.
    fn json(&mut self, json: &str) -> Option<String> {
        let bytes = json.as_bytes();
        let mut clean: Option<String> = None;
        let (mut at, mut rest) = (0, 0);
        while let Some(start) = memchr::memchr(b'"', &bytes[at..]).map(|offset| at + offset) {
            let (end, escaped) = end_of_string(bytes, start);
            at = end;
            let inner = json.get(start + 1..end.saturating_sub(1)).unwrap_or_default();
            let decoded = match escaped {
                // What Unicode cannot hold stays as it is written.
                true => serde_json::from_str::<String>(&json[start..end]).map_or(Cow::Borrowed(inner), Cow::Owned),
                false => Cow::Borrowed(inner),
            };
            let Some(text) = self.text(&decoded) else { continue };
            let out = clean.get_or_insert_default();
            out.push_str(&json[rest..start]);
            match decoded {
                // No secret holds a quote, so what is left is still a string.
                Cow::Borrowed(_) => {
                    out.push('"');
                    out.push_str(&text);
                    out.push('"');
                }
                Cow::Owned(_) => out.push_str(&serde_json::to_string(&text).unwrap_or_default()),
            }
            rest = end;
        }
        clean.map(|mut clean| {
            clean.push_str(&json[rest..]);
            clean
        })
    }

    /// Takes the parts of secrets out of a piece that streamed in.
    fn edit(&mut self, entry: &Entry<'_>, edits: Vec<pieces::Edit>) -> Option<String> {
        let mut event = entry.event().ok()?;
        let text = match &mut event {
            Event::TextDelta(event) => &mut event.text,
            Event::ReasoningDelta(event) => &mut event.text,
            Event::ToolCallOutput(event) => &mut event.text,
            _ => return None,
        };
        let mut clean = String::with_capacity(text.len());
        let mut rest = 0;
        for edit in edits {
            clean.push_str(&text[rest..edit.range.start]);
            if let Some(kind) = edit.kind {
                self.mark(&mut clean, kind);
            }
            rest = edit.range.end;
        }
        clean.push_str(&text[rest..]);
        *text = clean.into();
        let mut data = Vec::new();
        event.encode_data(&mut data).ok()?;
        String::from_utf8(data).ok()
    }

    fn mark(&mut self, out: &mut String, kind: &'static str) {
        *self.counts.entry(kind).or_default() += 1;
        out.push_str("[REDACTED:");
        out.push_str(kind);
        out.push(']');
    }
}

/// Where the string that begins at `start` ends, behind its quote, and whether an escape stands in it.
fn end_of_string(json: &[u8], start: usize) -> (usize, bool) {
    let (mut at, mut escaped) = (start + 1, false);
    while let Some(offset) = json.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += offset;
        if json[at] == b'"' {
            return (at + 1, escaped);
        }
        escaped = true;
        at += 2;
    }
    (json.len(), escaped)
}

#[cfg(test)]
mod tests;
