//! What payloads are made of, and the payload that a recovery writes.

use crate::json::object::only_from_objects;
use serde::{Deserialize, Serialize};

/// The first entry after an opening that found an unclean end: what was cut, skipped and left running.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JournalRecovered {
    /// The epoch that begins here.
    pub epoch: u64,
    /// The last good number before it.
    pub after: u64,
    /// What was cut, or sealed off, at the ends of segments.
    #[serde(default)]
    pub cuts: Vec<Cut>,
    /// Numbers that are in no line.
    #[serde(default)]
    pub holes: Vec<Hole>,
    /// What was running.
    #[serde(default)]
    pub open: Vec<OpenTurn>,
}

impl JournalRecovered {
    /// Accounts for more numbers that no line bears. One hole says it all: a reader looks for one that covers its gap.
    pub(crate) fn add_hole(&mut self, first_seq: u64, last_seq: u64) {
        match self.holes.last_mut() {
            Some(hole) if hole.last_seq + 1 == first_seq => hole.last_seq = last_seq,
            _ => self.holes.push(Hole { first_seq, last_seq }),
        }
    }
}

/// Bytes that recovery cut from the end of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Cut {
    /// The segment.
    pub segment: u64,
    /// Where the cut begins.
    pub offset: u64,
    /// How many bytes were cut.
    pub bytes: u64,
}

/// Sequence numbers that no line bears.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Hole {
    /// The first of them.
    pub first_seq: u64,
    /// The last of them.
    pub last_seq: u64,
}

/// A turn that has started and not ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct OpenTurn {
    /// Which turn.
    pub turn_id: String,
    /// The number of the entry that started it.
    pub seq: u64,
    /// Its calls that have started and not ended.
    #[serde(default)]
    pub calls: Vec<OpenCall>,
}

/// A tool call that has started and not ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct OpenCall {
    /// Which call.
    pub call_id: String,
    /// Which tool.
    pub tool_name: String,
    /// The number of the entry that started it.
    pub seq: u64,
}

only_from_objects!(Cut, Hole, OpenTurn, OpenCall, Parent, Attachment, Usage);

impl std::fmt::Display for OpenTurn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "turn {} (seq {})", self.turn_id, self.seq)?;
        for (at, call) in self.calls.iter().enumerate() {
            let lead = if at == 0 { ", running" } else { "," };
            write!(f, "{lead} {} {} (seq {})", call.tool_name, call.call_id, call.seq)?;
        }
        Ok(())
    }
}

/// What a session or a turn was started by: the parent of a sub-agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Parent {
    /// The parent's session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// The parent's turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<String>,
    /// The parent's tool call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
}

/// Something that came with a prompt, by reference: never its content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Attachment {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// The SHA-256 of its content, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// How large it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// Tokens of a model call. What is not known is absent, never 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Usage {
    /// All tokens that went in, those read from the cache and written to it included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Tokens that came out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// How many of `input_tokens` were read from the provider's cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read_input_tokens: Option<u64>,
    /// How many of `input_tokens` were written to the provider's cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_input_tokens: Option<u64>,
    /// How many of `output_tokens` were reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_output_tokens: Option<u64>,
}

impl Usage {
    /// All tokens that went in: `input_tokens`, or the sum of the parts where a recorder left them out of it, so that no part
    /// is larger than the whole.
    pub fn total_input(&self) -> Option<u64> {
        let parts = [self.cache_read_input_tokens, self.cache_write_input_tokens].into_iter().flatten();
        self.input_tokens.max(parts.reduce(u64::saturating_add))
    }
}
