//! The records a session folds into: plain data whose JSON is fixed, field by field and in this order.
//!
//! Written JSON has every key, `null` included. When read, a key marked *required* must be there; every other key may
//! be absent and takes its default. Status strings outside the lists are kept as they are.

use crate::json::object::only_from_objects;
use crate::json::{Json, Metadata};
use crate::model::id::{SessionId, WorkspaceId};
use crate::model::status::{StatusMeaning, ToolCallStatus, TurnStatus};
use serde::{Deserialize, Serialize};

/// One call of a tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct ToolCallRecord {
    /// Required. Known within its turn.
    pub call_id: String,
    /// Required.
    pub tool_name: String,
    /// What the tool was called with; `{}` by default.
    #[serde(default = "Json::empty_object")]
    pub arguments: Json,
    /// What it returned; `null` by default.
    #[serde(default = "Json::null")]
    pub result: Json,
    /// How it stands.
    #[serde(default)]
    pub status: ToolCallStatus,
    /// What went wrong.
    #[serde(default)]
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    #[serde(default)]
    pub duration_ms: Option<f64>,
    /// Where it ran.
    #[serde(default = "Json::null")]
    pub sandbox_context: Json,
    /// Anything else.
    #[serde(default)]
    pub metadata: Metadata,
}

only_from_objects!(ToolCallRecord);

impl ToolCallRecord {
    /// A call with every other field at its default.
    pub fn new(call_id: impl Into<String>, tool_name: impl Into<String>) -> ToolCallRecord {
        ToolCallRecord {
            call_id: call_id.into(),
            tool_name: tool_name.into(),
            arguments: Json::empty_object(),
            result: Json::null(),
            status: ToolCallStatus::Success,
            error: None,
            duration_ms: None,
            sandbox_context: Json::null(),
            metadata: Metadata::new(),
        }
    }

    /// What its status and its error together mean.
    pub fn meaning(&self) -> StatusMeaning {
        self.status.meaning(self.error.as_deref())
    }
}

/// The key under which a turn's metadata has what the user said while it ran: an array of
/// `{"seq","time","text","attachments"?,"metadata"?}`. Only the fold writes it.
pub const USER_MESSAGES: &str = "foldlog.user_messages";

/// One turn: a prompt, what the agent did about it, and its answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TurnRecord {
    /// Required.
    pub turn_id: String,
    /// Who worked on it.
    #[serde(default)]
    pub agent_id: Option<String>,
    /// What was asked.
    #[serde(default)]
    pub prompt: String,
    /// What was answered.
    #[serde(default)]
    pub response_content: Option<String>,
    /// The tool calls, in the order in which they started.
    #[serde(default)]
    pub tool_calls: Vec<ToolCallRecord>,
    /// When it started: ISO 8601, empty if that is not known.
    #[serde(default)]
    pub started_at: String,
    /// When it ended: ISO 8601.
    #[serde(default)]
    pub ended_at: Option<String>,
    /// How it stands.
    #[serde(default)]
    pub status: TurnStatus,
    /// What went wrong.
    #[serde(default)]
    pub error: Option<String>,
    /// Ids of audit events that belong to it.
    #[serde(default)]
    pub audit_event_ids: Vec<String>,
    /// Anything else.
    #[serde(default)]
    pub metadata: Metadata,
}

impl TurnRecord {
    /// A turn with every other field at its default.
    pub fn new(turn_id: impl Into<String>) -> TurnRecord {
        TurnRecord { turn_id: turn_id.into(), ..TurnRecord::default() }
    }

    /// What its status and its error together mean.
    pub fn meaning(&self) -> StatusMeaning {
        self.status.meaning(self.error.as_deref())
    }
}

/// A hand-off from one agent to another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AgentTransitionRecord {
    /// Who handed over.
    #[serde(default)]
    pub from_agent: Option<String>,
    /// Required. Who took over.
    pub to_agent: String,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// During which turn; empty if during none.
    #[serde(default)]
    pub turn_id: String,
    /// When: ISO 8601.
    #[serde(default)]
    pub timestamp: String,
}

/// A whole session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Required.
    pub session_id: SessionId,
    /// Where it belongs.
    #[serde(default)]
    pub workspace_id: Option<WorkspaceId>,
    /// When it began: ISO 8601.
    #[serde(default)]
    pub created_at: String,
    /// When it last changed: ISO 8601.
    #[serde(default)]
    pub updated_at: String,
    /// Who runs it.
    #[serde(default)]
    pub agent_id: Option<String>,
    /// Its turns, in the order in which they started.
    #[serde(default)]
    pub turns: Vec<TurnRecord>,
    /// The hand-offs between agents, in order.
    #[serde(default)]
    pub agent_transitions: Vec<AgentTransitionRecord>,
    /// Anything else.
    #[serde(default)]
    pub metadata: Metadata,
}

impl SessionRecord {
    /// An empty session.
    pub fn new(session_id: SessionId) -> SessionRecord {
        SessionRecord {
            session_id,
            workspace_id: None,
            created_at: String::new(),
            updated_at: String::new(),
            agent_id: None,
            turns: Vec::new(),
            agent_transitions: Vec::new(),
            metadata: Metadata::new(),
        }
    }
}
