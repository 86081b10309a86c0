//! Tool calls and model calls in the summary.

use crate::event::Usage;
use crate::fold::rules::{self, Start};
use crate::fold::summary::ModelCallStats;
use crate::fold::summary_fold::SummaryFold;
use crate::fold::summary_part::{CallEndPart, CallStartPart, DeltaPart, ModelCallEndPart, ModelCallStartPart};
use crate::json::Text;
use crate::record::ToolCallStatus;
use crate::time::Timestamp;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) tool_name: String,
    pub(super) status: ToolCallStatus,
    pub(super) implicit: bool,
    pub(super) seen: u64,
    pub(super) started: Option<Timestamp>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct ModelCall {
    /// The model under which it was counted; none while only its text has been seen.
    pub(super) model: Option<String>,
    pub(super) started: Option<Timestamp>,
    pub(super) ended: bool,
    pub(super) streamed: bool,
}

impl SummaryFold {
    pub(super) fn delta(&mut self, part: &DeltaPart<'_>) {
        self.text_bytes += part.text.len() as u64;
        let turn = self.turn(&part.turn_id);
        if let Some(id) = &part.model_call_id {
            match turn.model_calls.get_mut(&**id) {
                Some(call) => call.streamed = true,
                None => {
                    let call = ModelCall { streamed: true, ..ModelCall::default() };
                    turn.model_calls.insert(id.to_string(), call);
                }
            }
        }
    }

    pub(super) fn model_call_started(&mut self, part: &ModelCallStartPart<'_>, time: Timestamp) {
        let model = part.model.as_deref().unwrap_or_default().to_owned();
        let call = self.turn(&part.turn_id).model_calls.entry(part.model_call_id.to_string()).or_default();
        if call.model.is_some() && !call.ended {
            return;
        }
        if call.ended {
            *call = ModelCall::default();
        }
        call.model = Some(model.clone());
        call.started = Some(time);
        self.model_calls.entry(model).or_default().count += 1;
    }

    pub(super) fn model_call_ended(&mut self, part: &ModelCallEndPart<'_>, time: Timestamp) {
        let call = self.turn(&part.turn_id).model_calls.entry(part.model_call_id.to_string()).or_default();
        if call.ended {
            return;
        }
        let counted = call.model.take();
        // The model that answered counts, not the one that was asked.
        let model = part.model.as_deref().or(counted.as_deref()).unwrap_or_default().to_owned();
        call.model = Some(model.clone());
        call.ended = true;
        let duration = part.duration_ms.or(call.started.map(|started| millis(started, time)));
        if let Some(text) = part.text.as_deref().filter(|_| !call.streamed) {
            self.text_bytes += text.len() as u64;
        }
        if counted.as_ref() != Some(&model) {
            if let Some(asked) = counted {
                uncount(&mut self.model_calls, &asked);
            }
            self.model_calls.entry(model.clone()).or_default().count += 1;
        }
        let stats = self.model_calls.entry(model).or_default();
        let failed = rules::model_call_end(part.status.as_deref(), part.error.is_some()) == "error";
        stats.errors += u64::from(failed);
        add_usage(stats, part.usage.unwrap_or_default());
        stats.cost_usd_micros = stats.cost_usd_micros.saturating_add(part.cost_usd_micros.unwrap_or(0));
        if let Some(ms) = duration.filter(|ms| is_duration(*ms)) {
            stats.total_ms += ms;
            stats.durations_ms.push(ms);
        }
    }

    pub(super) fn call_started(&mut self, part: CallStartPart<'_>, time: Timestamp) {
        let tool_name = part.tool_name.into_string();
        let interruptions = self.interruptions;
        let calls = &mut self.turn(&part.turn_id).calls;
        let start = calls.get_mut(&*part.call_id).map(|call| {
            if call.status == ToolCallStatus::Running && call.seen < interruptions {
                call.status = ToolCallStatus::Interrupted;
            }
            rules::call_start(&call.status, call.implicit)
        });
        match start {
            Some(Start::Adopt | Start::AdoptEnded | Start::Again) => {
                if let Some(call) = calls.get_mut(&*part.call_id) {
                    call.implicit = false;
                }
            }
            None | Some(Start::Resume | Start::Anew) => {
                let call = Call {
                    tool_name: tool_name.clone(),
                    status: ToolCallStatus::Running,
                    implicit: false,
                    seen: interruptions,
                    started: Some(time),
                };
                calls.insert(part.call_id.into_string(), call);
                self.tool_calls.entry(tool_name).or_default().count += 1;
            }
        }
    }

    pub(super) fn call_ended(&mut self, turn_id: &str, part: CallEndPart<'_>, time: Timestamp) {
        let status = rules::call_end(part.status.clone(), part.error.is_some());
        let started = match self.turn(turn_id).calls.get(&*part.call_id) {
            // The first end counts.
            Some(call) if rules::call_is_over(&call.status) => return,
            Some(call) => call.started,
            None => None,
        };
        let duration = part.duration_ms.or(started.map(|started| millis(started, time)));
        self.count_end(turn_id, part, status, duration);
    }

    pub(super) fn call_recorded(&mut self, turn_id: &str, part: CallEndPart<'_>) {
        let status = rules::call_end(part.status.clone(), part.error.is_some());
        let known = self.turn(turn_id).calls.get(&*part.call_id);
        if known.is_some_and(|call| rules::call_is_over(&call.status)) {
            return;
        }
        let duration = part.duration_ms;
        self.count_end(turn_id, part, status, duration);
    }

    /// Counts how a call ended, and the call itself if its start was not seen.
    fn count_end(&mut self, turn_id: &str, part: CallEndPart<'_>, status: ToolCallStatus, duration: Option<f64>) {
        let seen = self.interruptions;
        let calls = &mut self.turn(turn_id).calls;
        let (tool_name, is_new) = match calls.get_mut(&*part.call_id) {
            Some(call) => {
                call.status = status.clone();
                (call.tool_name.clone(), false)
            }
            None => {
                let tool_name = part.tool_name.map(Text::into_string).unwrap_or_default();
                let (name, status) = (tool_name.clone(), status.clone());
                let call = Call { tool_name, status, implicit: true, seen, started: None };
                calls.insert(part.call_id.into_string(), call);
                (name, true)
            }
        };
        let stats = self.tool_calls.entry(tool_name).or_default();
        stats.count += u64::from(is_new);
        stats.errors += u64::from(matches!(status, ToolCallStatus::Error | ToolCallStatus::Timeout));
        if let Some(ms) = duration.filter(|ms| is_duration(*ms)) {
            stats.total_ms += ms;
            stats.durations_ms.push(ms);
        }
    }
}

/// Takes back one call that was counted under the wrong model.
fn uncount(model_calls: &mut BTreeMap<String, ModelCallStats>, model: &str) {
    if let Some(stats) = model_calls.get_mut(model) {
        stats.count = stats.count.saturating_sub(1);
        if stats.count == 0 {
            model_calls.remove(model);
        }
    }
}

fn add_usage(stats: &mut ModelCallStats, usage: Usage) {
    let pairs = [
        (&mut stats.input_tokens, usage.input_tokens),
        (&mut stats.output_tokens, usage.output_tokens),
        (&mut stats.cache_read_input_tokens, usage.cache_read_input_tokens),
        (&mut stats.cache_write_input_tokens, usage.cache_write_input_tokens),
        (&mut stats.reasoning_output_tokens, usage.reasoning_output_tokens),
    ];
    for (sum, more) in pairs {
        *sum = sum.saturating_add(more.unwrap_or(0));
    }
}

/// Sums and percentiles stay meaningful only over durations that can be.
fn is_duration(ms: f64) -> bool {
    ms.is_finite() && ms >= 0.0
}

fn millis(from: Timestamp, to: Timestamp) -> f64 {
    to.since(from).as_secs_f64() * 1000.0
}
