//! Secrets taken out of entries on their way to somebody else. Pure; the log itself is never changed.
//!
//! What counts as a secret is in `secrets`; one that streamed in, in pieces, is found by `pieces` on a pass of its own.
//! A string without a secret stays as it is, and raw JSON stays token for token around one that had one.

mod bytes;
mod commands;
mod files;
mod forms;
mod found;
mod headers;
mod named;
mod names;
mod pieces;
mod secrets;
mod strings;
mod tokens;
mod values;

pub(crate) use pieces::PiecesFold;

use crate::model::entry::Entry;
use base64::Engine;
use pieces::Edits;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

/// A part of a text that has to go, and what stands in its place.
type Part = (Range<usize>, Option<&'static str>);

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
        let edits = self.edits.remove(&entry.seq().get()).unwrap_or_default();
        let clean = self.json(entry.data(), edits);
        let id = entry.id().and_then(|id| self.text(id));
        if clean.is_none() && id.is_none() {
            return Cow::Borrowed(entry);
        }
        let id = id.or_else(|| entry.id().map(str::to_owned));
        Cow::Owned(entry.with_data(clean.as_deref().unwrap_or(entry.data()), id))
    }

    /// The text without secrets; `None` if it had none.
    pub(crate) fn text(&mut self, text: &str) -> Option<String> {
        self.without(text, secrets::find(text.as_bytes()).into_iter().map(|found| (found.range, Some(found.kind))))
    }

    /// The JSON with no secret in any of its strings, keys included, nor in a number with the name of a password; `None` if
    /// there was none. `edits`: what has to go from the piece that streamed in with this entry.
    fn json(&mut self, json: &str, mut edits: Vec<pieces::Edit>) -> Option<String> {
        let mut clean = String::new();
        let mut rest = 0;
        for string in strings::Strings::new(json) {
            if let Some((text, is_raw)) = self.string(&string, &mut edits) {
                clean.push_str(&json[rest..string.range.start]);
                strings::write(&mut clean, &text, is_raw);
                rest = string.range.end;
            }
            let Some((name, number)) = string.named_number() else { continue };
            if let Some(under) = named::under(name, &json[number.clone()]) {
                clean.push_str(&json[rest..number.start]);
                clean.push('"');
                self.mark(&mut clean, under.kind);
                clean.push('"');
                rest = number.end;
            }
        }
        if rest == 0 {
            return None;
        }
        clean.push_str(&json[rest..]);
        Some(clean)
    }

    /// A string of JSON without secrets, and whether that is how it is written; `None` if it had none.
    fn string(&mut self, string: &strings::JsonString<'_>, edits: &mut Vec<pieces::Edit>) -> Option<(String, bool)> {
        let (decoded, is_raw) = string.decoded();
        if string.is_event_member("text_base64") {
            return Some((self.encoded(&decoded)?, is_raw));
        }
        let mut parts: Vec<Part> = match string.is_event_member("text") {
            true => edits.drain(..).map(|edit| (edit.range, edit.kind)).collect(),
            false => Vec::new(),
        };
        // Behind what was found in the stream: where both begin, the stream knows better what it is.
        parts.extend(secrets::find(decoded.as_bytes()).into_iter().map(|found| (found.range, Some(found.kind))));
        parts.sort_by_key(|(range, _)| range.start);
        let clean = self.without(&decoded, parts).or_else(|| {
            let under = string.name().and_then(|name| named::under(&name, &decoded))?;
            self.without(&decoded, [(under.range, Some(under.kind))])
        });
        Some((clean?, is_raw))
    }

    /// Input that was not UTF-8, as an event keeps it: without secrets, in base64 again; `None` if it had none.
    fn encoded(&mut self, text: &str) -> Option<String> {
        let engine = base64::engine::general_purpose::STANDARD;
        let Ok(bytes) = engine.decode(text) else { return self.text(text) };
        let (mut clean, mut rest) = (Vec::new(), 0);
        for found in secrets::find(&bytes) {
            clean.extend_from_slice(&bytes[rest..found.range.start]);
            let mut mark = String::new();
            self.mark(&mut mark, found.kind);
            clean.extend_from_slice(mark.as_bytes());
            rest = found.range.end;
        }
        clean.extend_from_slice(&bytes[rest..]);
        (rest > 0).then(|| engine.encode(clean))
    }

    /// The text with something else in the place of these parts of it, in order; `None` if there are none. Of parts that overlap
    /// both go, and the first one names what stood there.
    fn without(&mut self, text: &str, parts: impl IntoIterator<Item = Part>) -> Option<String> {
        let mut clean = String::new();
        let mut rest = 0;
        for (range, kind) in parts {
            match text.get(rest..range.start) {
                Some(before) => clean.push_str(before),
                None if range.start < rest && rest < range.end => {
                    rest = range.end;
                    continue;
                }
                None => continue,
            }
            if let Some(kind) = kind {
                self.mark(&mut clean, kind);
            }
            rest = range.end;
        }
        if rest == 0 {
            return None;
        }
        clean.push_str(text.get(rest..)?);
        Some(clean)
    }

    fn mark(&mut self, out: &mut String, kind: &'static str) {
        *self.counts.entry(kind).or_default() += 1;
        out.push_str("[REDACTED:");
        out.push_str(kind);
        out.push(']');
    }
}

#[cfg(test)]
mod tests;
