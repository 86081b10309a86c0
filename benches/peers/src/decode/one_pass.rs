//! The fastest plain serde there is: one pass, `type` before `data`, strings borrowed where they have no escapes. With
//! `simd-json`, in place.

use super::State;
use crate::{Result, lines};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use std::borrow::Cow;
use std::path::PathBuf;

#[derive(Deserialize)]
pub(crate) struct TurnStarted<'a> {
    #[serde(borrow)]
    turn_id: Cow<'a, str>,
    prompt: Cow<'a, str>,
}

#[derive(Deserialize)]
pub(crate) struct TextDelta<'a> {
    #[serde(borrow)]
    turn_id: Cow<'a, str>,
    #[serde(borrow)]
    text: Cow<'a, str>,
}

#[derive(Deserialize)]
pub(crate) struct CallStarted<'a> {
    #[serde(borrow)]
    turn_id: Cow<'a, str>,
    call_id: String,
    tool_name: String,
    arguments: Value,
}

#[derive(Deserialize)]
pub(crate) struct CallEnded<'a> {
    #[serde(borrow)]
    turn_id: Cow<'a, str>,
    #[serde(borrow)]
    call_id: Cow<'a, str>,
    result: Value,
    duration_ms: Option<f64>,
}

#[derive(Deserialize)]
pub(crate) struct TurnEnded<'a> {
    #[serde(borrow)]
    turn_id: Cow<'a, str>,
    response_content: Option<String>,
}

pub(crate) enum Payload<'a> {
    TurnStarted(TurnStarted<'a>),
    TextDelta(TextDelta<'a>),
    CallStarted(CallStarted<'a>),
    CallEnded(CallEnded<'a>),
    TurnEnded(TurnEnded<'a>),
    Other,
}

impl<'a> Payload<'a> {
    pub(crate) fn decode(name: &str, data: &'a str) -> Result<Payload<'a>> {
        Ok(Kind(name).deserialize(&mut serde_json::Deserializer::from_str(data))?)
    }

    pub(crate) fn fold(self, state: &mut State) {
        match self {
            Payload::TurnStarted(data) => state.start(&data.turn_id, data.prompt),
            Payload::TextDelta(data) => state.text(&data.turn_id, &data.text),
            Payload::CallStarted(data) => state.call(&data.turn_id, data.call_id, data.tool_name, data.arguments),
            Payload::CallEnded(data) => state.end_call(&data.turn_id, &data.call_id, data.result, data.duration_ms),
            Payload::TurnEnded(data) => state.end(&data.turn_id, data.response_content),
            Payload::Other => {}
        }
    }
}

/// Decodes data of a type that is known already.
struct Kind<'k>(&'k str);

impl<'de> DeserializeSeed<'de> for Kind<'_> {
    type Value = Payload<'de>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> std::result::Result<Payload<'de>, D::Error> {
        Ok(match self.0 {
            "turn_started" => Payload::TurnStarted(Deserialize::deserialize(from)?),
            "text_delta" => Payload::TextDelta(Deserialize::deserialize(from)?),
            "tool_call_started" => Payload::CallStarted(Deserialize::deserialize(from)?),
            "tool_call_ended" => Payload::CallEnded(Deserialize::deserialize(from)?),
            "turn_ended" => Payload::TurnEnded(Deserialize::deserialize(from)?),
            _ => {
                IgnoredAny::deserialize(from)?;
                Payload::Other
            }
        })
    }
}

/// A whole line.
struct Envelope<'a>(Payload<'a>);

impl<'de> Deserialize<'de> for Envelope<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Envelope<'de>, D::Error> {
        from.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Envelope<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a line of a log")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Envelope<'de>, A::Error> {
        let (mut name, mut payload) = ("", None);
        while let Some(key) = map.next_key::<&str>()? {
            match key {
                "type" => name = map.next_value()?,
                "data" => payload = Some(map.next_value_seed(Kind(name))?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        // A header has no data.
        match (payload, name) {
            (Some(payload), _) => Ok(Envelope(payload)),
            (None, "") => Ok(Envelope(Payload::Other)),
            (None, _) => Err(A::Error::missing_field("data")),
        }
    }
}

pub(crate) fn plain(paths: &[PathBuf]) -> Result<State> {
    fold(paths, |line| Ok(serde_json::from_slice(line)?))
}

pub(crate) fn simd_in_place(paths: &[PathBuf]) -> Result<State> {
    fold(paths, |line| Ok(simd_json::serde::from_slice(line)?))
}

fn fold(paths: &[PathBuf], decode: impl for<'a> Fn(&'a mut [u8]) -> Result<Envelope<'a>>) -> Result<State> {
    let (mut state, mut failure) = (State::default(), None);
    lines::of_files(paths, |line| match decode(line) {
        Ok(Envelope(payload)) => payload.fold(&mut state),
        Err(error) => failure = Some(error),
    })?;
    failure.map_or(Ok(state), Err)
}
