//! Events that bring a whole record at once, flat: spelled out, since serde's `flatten` rejects raw values.

use crate::json::{Json, Metadata, Text};
use crate::model::record::{ToolCallRecord, TurnRecord};
use crate::model::status::{ToolCallStatus, TurnStatus};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A whole tool call at once, replacing what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCallRecorded<'a> {
    /// Which turn.
    pub turn_id: Text<'a>,
    /// The call.
    pub call: ToolCallRecord,
}

/// [`ToolCallRecorded`] as it is written: flat. Spelled out, because serde's `flatten` rejects raw values.
#[derive(Serialize, Deserialize)]
struct FlatToolCall<'a> {
    #[serde(borrow)]
    turn_id: Text<'a>,
    call_id: String,
    tool_name: String,
    #[serde(default = "Json::empty_object")]
    arguments: Json,
    #[serde(default = "Json::null")]
    result: Json,
    #[serde(default)]
    status: Option<ToolCallStatus>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    duration_ms: Option<f64>,
    #[serde(default = "Json::null")]
    sandbox_context: Json,
    #[serde(default)]
    metadata: Metadata,
}

impl Serialize for ToolCallRecorded<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let call = self.call.clone();
        let flat = FlatToolCall {
            turn_id: self.turn_id.clone(),
            call_id: call.call_id,
            tool_name: call.tool_name,
            arguments: call.arguments,
            result: call.result,
            status: Some(call.status),
            error: call.error,
            duration_ms: call.duration_ms,
            sandbox_context: call.sandbox_context,
            metadata: call.metadata,
        };
        flat.serialize(serializer)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for ToolCallRecorded<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ToolCallRecorded<'a>, D::Error> {
        let flat = FlatToolCall::deserialize(deserializer)?;
        let status = ToolCallStatus::ended(flat.status, flat.error.as_deref());
        Ok(ToolCallRecorded {
            turn_id: flat.turn_id,
            call: ToolCallRecord {
                call_id: flat.call_id,
                tool_name: flat.tool_name,
                arguments: flat.arguments,
                result: flat.result,
                status,
                error: flat.error,
                duration_ms: flat.duration_ms,
                sandbox_context: flat.sandbox_context,
                metadata: flat.metadata,
            },
        })
    }
}

/// A whole turn at once, replacing what is known of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct TurnRecorded {
    /// The turn.
    pub turn: TurnRecord,
}

impl TurnRecorded {
    /// A whole turn.
    pub fn new(turn: TurnRecord) -> TurnRecorded {
        TurnRecorded { turn }
    }
}

impl<'de> Deserialize<'de> for TurnRecorded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TurnRecorded, D::Error> {
        #[derive(Deserialize)]
        struct Status {
            status: Option<TurnStatus>,
        }
        let raw = Json::deserialize(deserializer)?;
        let mut turn: TurnRecord = raw.decode().map_err(serde::de::Error::custom)?;
        // In an event, unlike in a record, an error without a status is a status.
        if raw.decode::<Status>().is_ok_and(|given| given.status.is_none()) {
            turn.status = TurnStatus::ended(None, turn.error.as_deref());
        }
        Ok(TurnRecorded { turn })
    }
}
