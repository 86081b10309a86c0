//! The witness of a rewriting: folds what was and what is to be, and compares.
//!
//! It folds in stretches, so that its memory does not grow with what it folds. A stretch ends where no stream is under
//! way: there both folds must have come to the same, to the byte.

use crate::error::Result;
use crate::fold::{Reducer, SessionFold};
use crate::format::line::SUFFIX;
use crate::json::{Json, Text};
use crate::model::entry::Entry;
use crate::model::event::{Event, ReasoningDelta, TextDelta, ToolCallOutput};
use crate::model::time::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::hash::{DefaultHasher, Hasher};

/// Folds entries and keeps only a digest of what they came to.
#[derive(Default)]
pub(super) struct Witness {
    fold: SessionFold,
    digest: DefaultHasher,
}

impl Witness {
    /// The next entry, with its event.
    pub(super) fn entry(&mut self, entry: &Entry<'_>, event: Result<Event<'_>>) {
        let answered = match &event {
            Ok(Event::TurnEnded(ended)) => Some(ended.turn_id.to_string()),
            _ => None,
        };
        // A second answer is beside what the first one repeated.
        let answered = answered.filter(|turn_id| !self.fold.is_answered(turn_id));
        self.fold.step(entry, event);
        // The record will have the answer alone: what else the turn has said is compared now.
        if let Some(text) = answered.and_then(|turn_id| self.fold.text_and_answer(&turn_id)) {
            self.add(text.as_bytes());
        }
    }

    /// Ends a stretch.
    pub(super) fn cut(&mut self) {
        let mut session = std::mem::take(&mut self.fold).finish();
        for call in session.record.turns.iter_mut().flat_map(|turn| &mut turn.tool_calls) {
            // Most of the record, and JSON already.
            self.add(std::mem::replace(&mut call.result, Json::null()).as_str().as_bytes());
        }
        let json = serde_json::to_vec(&session).expect("a record holds only what JSON can hold");
        self.add(&json);
    }

    /// What everything came to.
    pub(super) fn finish(mut self) -> u64 {
        self.cut();
        self.digest.finish()
    }

    fn add(&mut self, bytes: &[u8]) {
        self.digest.write(bytes);
        self.digest.write_usize(bytes.len());
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BareDelta<'a> {
    #[serde(borrow)]
    turn_id: Text<'a>,
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow, default)]
    model_call_id: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BareOutput<'a> {
    #[serde(borrow)]
    turn_id: Text<'a>,
    #[serde(borrow)]
    call_id: Text<'a>,
    #[serde(borrow)]
    text: Text<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BareEnvelope {
    #[serde(default, rename = "id")]
    _id: Option<IgnoredAny>,
    #[serde(default, rename = "observed")]
    _observed: Option<IgnoredAny>,
}

/// Decodes an entry once for all who look at it. `true` if it is streaming in which nothing stands that this version does
/// not know: a newer one may have added what no ending event repeats.
pub(super) fn decode<'a>(entry: &'a Entry<'_>) -> (Result<Event<'a>>, bool) {
    let bare = match entry.type_name() {
        "text_delta" => bare_delta(entry).map(Event::TextDelta),
        "reasoning_delta" => bare_delta(entry).map(|delta| {
            let mut reasoning = ReasoningDelta::new(delta.turn_id, delta.text);
            reasoning.model_call_id = delta.model_call_id;
            Event::ReasoningDelta(reasoning)
        }),
        "tool_call_output" => serde_json::from_str(entry.data()).ok().map(|output: BareOutput<'a>| {
            Event::ToolCallOutput(ToolCallOutput::new(output.turn_id, output.call_id, output.text))
        }),
        _ => None,
    };
    match bare {
        Some(event) => (Ok(event), has_bare_envelope(entry)),
        None => (entry.event(), false),
    }
}

fn bare_delta<'a>(entry: &'a Entry<'_>) -> Option<TextDelta<'a>> {
    let bare: BareDelta<'a> = serde_json::from_str(entry.data()).ok()?;
    let mut delta = TextDelta::new(bare.turn_id, bare.text);
    delta.model_call_id = bare.model_call_id;
    Some(delta)
}

/// Whether nothing stands between `type` and `data` but what this version knows.
fn has_bare_envelope(entry: &Entry<'_>) -> bool {
    // Everything up to `data` has a length that follows from what it says.
    let digits = |number: u64| number.checked_ilog10().map_or(1, |log| log as usize + 1);
    let numbers = digits(entry.seq().get()) + digits(entry.synced().get());
    let fixed = "{\"seq\":,\"synced\":,\"time\":\"\",\"type\":\"\"".len();
    let members_from = fixed + numbers + Timestamp::LEN + entry.type_name().len();
    let data_from = entry.line().len().checked_sub(SUFFIX + entry.data().len() + ",\"data\":".len());
    let members = data_from.and_then(|data_from| entry.line().get(members_from..data_from));
    members.is_some_and(|members| match members.strip_prefix(',') {
        Some(members) => serde_json::from_str::<BareEnvelope>(&format!("{{{members}}}")).is_ok(),
        None => members.is_empty(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::line::{Decoded, Tail, decode as decode_line};

    fn digest_of(results: [&str; 2]) -> u64 {
        let mut witness = Witness::default();
        for (at, result) in results.iter().enumerate() {
            let data = format!(r#"{{"turn_id":"t","call_id":"c-{at}","result":{result}}}"#);
            let mut line = Vec::new();
            let tail = Tail::new("tool_call_ended", None, None, data.as_bytes());
            tail.write_line(&mut line, at as u64 + 1, 0, &Timestamp::from_micros(0).to_bytes());
            let Decoded::Entry(entry) = decode_line(&line[..line.len() - 1]) else { panic!("not an entry") };
            witness.entry(&entry, decode(&entry).0);
        }
        witness.finish()
    }

    #[test]
    fn results_are_compared_and_which_call_has_them() {
        let digests = [r#""a" "b""#, r#""b" "a""#, r#""ab" """#, r#"null "b""#, r#"{} "b""#].map(|results| {
            let (first, second) = results.split_once(' ').expect("two");
            digest_of([first, second])
        });
        for (at, digest) in digests.iter().enumerate() {
            assert!(!digests[..at].contains(digest), "{at}");
        }
        assert_eq!(digests[0], digest_of([r#""a""#, r#""b""#]));
    }
}
