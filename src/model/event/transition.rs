//! What a record has of a transition between agents.

use crate::json::Text;
use crate::model::event::payload::AgentTransition;
use crate::model::record::AgentTransitionRecord;
use crate::model::time::Timestamp;

impl AgentTransition<'_> {
    /// What a record has of it; `time` is the entry's, for one that names no time of its own.
    pub(crate) fn into_record(self, time: Timestamp) -> AgentTransitionRecord {
        let owned = |text: Option<Text<'_>>| text.map(Text::into_string);
        AgentTransitionRecord {
            from_agent: owned(self.from_agent),
            to_agent: self.to_agent.into_string(),
            reason: owned(self.reason),
            turn_id: owned(self.turn_id).unwrap_or_default(),
            timestamp: owned(self.timestamp).unwrap_or_else(|| time.to_string()),
        }
    }
}
