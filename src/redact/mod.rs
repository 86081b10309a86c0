//! Secrets taken out of entries on their way to somebody else. Pure; the log itself is never changed.
//!
//! What counts as a secret is in `secrets`; one that streamed in, in pieces, is found by `pieces` on a pass of its own.
//! A string without a secret stays as it is, and raw JSON stays token for token around one that had one.

mod bytes;
mod forms;
mod named;
mod names;
mod pieces;
mod secrets;
mod strings;
mod tokens;
mod values;

pub(crate) use pieces::PiecesFold;

use crate::entry::Entry;
use pieces::Edits;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

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
        self.without(text, secrets::find(text).into_iter().map(|found| (found.range, Some(found.kind))))
    }

    /// The JSON with no secret in any of its strings, keys included; `None` if there was none. `edits`: what has to go
    /// from the piece that streamed in with this entry.
    fn json(&mut self, json: &str, mut edits: Vec<pieces::Edit>) -> Option<String> {
        let mut clean = String::new();
        let mut rest = 0;
        for string in strings::Strings::new(json) {
            let (decoded, is_raw) = string.decoded();
            let piece = match string.is_piece() {
                true => self.without(&decoded, edits.drain(..).map(|edit| (edit.range, edit.kind))),
                false => None,
            };
            let text = piece.as_deref().unwrap_or(&decoded);
            let found = self.text(text).or_else(|| {
                let under = string.name().and_then(|name| named::under(&name, text))?;
                self.without(text, [(under.range, Some(under.kind))])
            });
            let Some(text) = found.or(piece) else { continue };
            clean.push_str(&json[rest..string.range.start]);
            strings::write(&mut clean, &text, is_raw);
            rest = string.range.end;
        }
        if rest == 0 {
            return None;
        }
        clean.push_str(&json[rest..]);
        Some(clean)
    }

    /// The text with something else in the place of these parts of it; `None` if there are none.
    fn without(
        &mut self,
        text: &str,
        parts: impl IntoIterator<Item = (Range<usize>, Option<&'static str>)>,
    ) -> Option<String> {
        let mut clean = String::new();
        let mut rest = 0;
        for (range, kind) in parts {
            let Some(before) = text.get(rest..range.start) else { continue };
            clean.push_str(before);
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
