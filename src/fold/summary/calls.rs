//! The calls of a turn, as far as the summary keeps them.

use crate::fold::summary::totals::{Spent, ToolCallStats};
use crate::model::status::StatusMeaning;
use crate::model::time::Timestamp;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{Hash, Hasher};

/// The calls of a turn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls {
    pub(super) tools: HashMap<String, Call>,
    /// Calls that were over when the turn ended, by a hash of their ids: what becomes of a late event of theirs.
    pub(super) late_tools: HashMap<u64, Late>,
    pub(super) models: HashMap<String, ModelCall>,
    pub(super) late_models: HashMap<u64, EndedModelCall>,
}

/// What is kept of a model call that has ended, lest a second end be counted twice.
#[derive(Clone, Debug)]
pub(crate) struct EndedModelCall {
    pub(super) model: String,
    pub(super) spent: Spent,
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(super) tool_name: String,
    pub(super) status: StatusMeaning,
    pub(super) implicit: bool,
    /// It is in the count of its tool.
    pub(super) counted: bool,
    /// `interruptions` when its last event came.
    pub(super) seen: u64,
    pub(super) started: Option<Timestamp>,
    /// It is counted in another session.
    pub(super) elsewhere: bool,
}

/// What is kept of a call that was over when its turn ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Late {
    pub(super) implicit: bool,
    pub(super) failed: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct ModelCall {
    /// The model under which it was counted; none while only its text has been seen.
    pub(super) model: Option<String>,
    pub(super) started: Option<Timestamp>,
    pub(super) ended: bool,
    pub(super) streamed: bool,
    pub(super) spent: Spent,
    /// It is counted in another session.
    pub(super) elsewhere: bool,
}

impl Calls {
    /// The call of this id as it stands: what runs over an interruption was interrupted.
    pub(super) fn tool(&mut self, call_id: &str, interruptions: u64) -> Option<&mut Call> {
        if let Some(late) = self.late_tools.remove(&hash(call_id)) {
            let status = if late.failed { StatusMeaning::Error } else { StatusMeaning::Success };
            let tool_name = String::new();
            let call = Call {
                tool_name,
                status,
                implicit: late.implicit,
                counted: true,
                seen: 0,
                started: None,
                elsewhere: false,
            };
            self.tools.insert(call_id.to_owned(), call);
        }
        let call = self.tools.get_mut(call_id)?;
        if call.status == StatusMeaning::Running && call.seen < interruptions {
            call.status = StatusMeaning::Interrupted;
        }
        Some(call)
    }

    /// The end of their turn: what runs is interrupted, and of what is over little is kept.
    pub(crate) fn end_turn(&mut self) {
        for (call_id, call) in std::mem::take(&mut self.tools) {
            if call.status.is_over() {
                let failed = call.status.is_failure();
                self.late_tools.insert(hash(&call_id), Late { implicit: call.implicit, failed });
            } else {
                self.tools.insert(call_id, Call { status: StatusMeaning::Interrupted, ..call });
            }
        }
        for (call_id, call) in std::mem::take(&mut self.models) {
            if call.ended {
                let model = call.model.unwrap_or_default();
                self.late_models.insert(hash(&call_id), EndedModelCall { model, spent: call.spent });
            } else if call.model.is_some() {
                self.models.insert(call_id, call);
            }
        }
    }

    /// Forgets all calls but these. Names the tools of those that were open.
    pub(crate) fn keep(&mut self, call_ids: &[String]) -> Vec<String> {
        let (known, late) = (std::mem::take(&mut self.tools), std::mem::take(&mut self.late_tools));
        let hashes: HashSet<u64> = call_ids.iter().map(|call_id| hash(call_id)).collect();
        self.late_tools = late.into_iter().filter(|(hash, _)| hashes.contains(hash)).collect();
        let mut open = Vec::new();
        for (call_id, call) in known {
            if call_ids.contains(&call_id) {
                self.tools.insert(call_id, call);
            } else if call.counted && !call.status.is_over() {
                open.push(call.tool_name);
            }
        }
        open
    }

    /// The calls that run are counted in another session.
    pub(crate) fn leave_out(&mut self) {
        self.tools.values_mut().for_each(|call| call.elsewhere = true);
        self.models.values_mut().for_each(|call| call.elsewhere = true);
    }

    /// Counts the calls that have not ended.
    pub(crate) fn count_open(&self, interruptions: u64, tool_calls: &mut BTreeMap<String, ToolCallStats>) {
        let open = self.tools.values().filter(|call| call.counted && !call.elsewhere && !call.status.is_over());
        for call in open {
            let stats = tool_calls.entry(call.tool_name.clone()).or_default();
            match call.status == StatusMeaning::Interrupted || call.seen < interruptions {
                true => stats.interrupted += 1,
                false => stats.running += 1,
            }
        }
    }
}

/// Ids of calls that are over are not kept whole: in a long session there are many, and of 64 bits no two agree.
pub(crate) fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}
