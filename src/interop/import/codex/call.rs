//! A tool call of a rollout that has started and not ended.

use crate::interop::import::Out;
use crate::json::members::Object;
use crate::model::time::Timestamp;

/// A call that has started and not ended, with what events said about its end.
pub(crate) struct Call {
    pub(super) turn: String,
    pub(super) time: Option<Timestamp>,
    pub(super) is_over: bool,
    pub(super) duration_ms: Option<f64>,
    pub(super) failure: Option<String>,
}

impl Call {
    pub(super) fn runs_in(&self, turn: Option<&str>) -> bool {
        !self.is_over && turn == Some(&self.turn)
    }
}

pub(crate) fn call_id(item: &Object<'_>, out: &Out) -> String {
    let id = item.text("call_id").or_else(|| item.text("id"));
    id.map_or_else(|| format!("call-{}", out.offset()), |id| id.into_string())
}
