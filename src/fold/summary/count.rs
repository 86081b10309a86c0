//! Counting tool calls and model calls in the summary.

use crate::fold::anomaly::AnomalyKind;
use crate::fold::prices::Cost;
use crate::fold::rules::{self, Start};
use crate::fold::summary::calls::{Call, ModelCall, hash};
use crate::fold::summary::fold::SummaryFold;
use crate::fold::summary::parts::{
    CallEndPart, CallStartPart, DeltaPart, ModelCallEndPart, ModelCallStartPart, OutputPart,
};
use crate::fold::summary::totals::{ModelCallStats, Spent};
use crate::json::Text;
use crate::model::event::Usage;
use crate::model::status::StatusMeaning;
use crate::model::time::Timestamp;
use std::collections::BTreeMap;

impl SummaryFold {
    pub(crate) fn delta(&mut self, part: &DeltaPart<'_>) {
        self.totals.text_bytes += part.text_bytes as u64;
        let models = &mut self.turn(&part.turn_id).calls.models;
        if let Some(id) = &part.model_call_id {
            match models.get_mut(&**id) {
                Some(call) => call.streamed = true,
                None => {
                    models.insert(id.to_string(), ModelCall { streamed: true, ..ModelCall::default() });
                }
            }
        }
    }

    pub(crate) fn model_call_started(&mut self, part: &ModelCallStartPart<'_>, time: Timestamp) {
        let model = part.model.as_deref().unwrap_or_default().to_owned();
        let calls = &mut self.turn(&part.turn_id).calls;
        calls.late_models.remove(&hash(&part.model_call_id));
        let call = calls.models.entry(part.model_call_id.to_string()).or_default();
        if call.model.is_some() && !call.ended {
            return;
        }
        if call.ended {
            *call = ModelCall::default();
        }
        call.model = Some(model.clone());
        call.started = Some(time);
        self.totals.model_calls.entry(model).or_default().count += 1;
    }

    pub(crate) fn model_call_ended(&mut self, part: &ModelCallEndPart<'_>, time: Timestamp) {
        let calls = &mut self.turn(&part.turn_id).calls;
        let late = calls.late_models.get(&hash(&part.model_call_id)).map(|late| late.model.clone());
        let asked = late.or_else(|| calls.models.get(&*part.model_call_id).and_then(|call| call.model.clone()));
        let spent = self.spent_of(part, part.model.as_deref().or(asked.as_deref()).unwrap_or_default());
        let calls = &mut self.turn(&part.turn_id).calls;
        if let Some(late) = calls.late_models.get_mut(&hash(&part.model_call_id)) {
            let (model, more) = (late.model.clone(), late.spent.raise_to(&spent));
            return self.spend_more(model, &more, time);
        }
        let call = calls.models.entry(part.model_call_id.to_string()).or_default();
        if call.ended {
            let (model, more) = (call.model.clone().unwrap_or_default(), call.spent.raise_to(&spent));
            return self.spend_more(model, &more, time);
        }
        call.spent = spent;
        if call.elsewhere {
            call.ended = true;
            return;
        }
        let counted = call.model.take();
        // The model that answered counts, not the one that was asked.
        let model = part.model.as_deref().or(counted.as_deref()).unwrap_or_default().to_owned();
        call.model = Some(model.clone());
        call.ended = true;
        let duration = part.duration_ms.or(call.started.map(|started| millis(started, time)));
        let streamed = call.streamed;
        let totals = &mut self.totals;
        if let Some(text) = part.text.as_deref().filter(|_| !streamed) {
            totals.text_bytes += text.len() as u64;
        }
        if counted.as_ref() != Some(&model) {
            if let Some(asked) = counted {
                uncount(&mut totals.model_calls, &asked);
            }
            totals.model_calls.entry(model.clone()).or_default().count += 1;
        }
        let stats = totals.model_calls.entry(model).or_default();
        let error = part.error.as_deref();
        let status = rules::model_call_end(part.status.as_deref(), error).meaning(error);
        stats.errors += u64::from(status.is_failure());
        stats.unknown_status += u64::from(status == StatusMeaning::Unknown);
        stats.spent.merge(&spent);
        duration.into_iter().for_each(|ms| {
            stats.durations.add_ms(ms);
        });
        let day = self.day(time);
        day.model_calls += 1;
        day.spent.merge(&spent);
    }

    /// What a model call used: its cost as the log has it, else by the prices.
    fn spent_of(&self, part: &ModelCallEndPart<'_>, model: &str) -> Spent {
        let usage = part.usage.unwrap_or_default();
        let told = part.cost_usd_micros.map(|usd_micros| Cost { usd_micros, is_whole: true });
        let priced = || self.prices.as_ref().map(|prices| prices.cost(model, &usage));
        spent(usage, told.or_else(priced).unwrap_or_default())
    }

    /// Counts what a second end of a model call brought beyond the first.
    fn spend_more(&mut self, model: String, more: &Spent, time: Timestamp) {
        self.totals.model_calls.entry(model).or_default().spent.merge(more);
        self.day(time).spent.merge(more);
    }

    pub(crate) fn call_started(&mut self, part: CallStartPart<'_>, time: Timestamp) {
        let tool_name = part.tool_name.into_string();
        let interruptions = self.interruptions;
        let calls = &mut self.turn(&part.turn_id).calls;
        let known = calls.tool(&part.call_id, interruptions);
        let start = known.as_ref().map(|call| rules::call_start(call.status, call.implicit));
        let odd = match start {
            Some(Start::Anew) => Some(AnomalyKind::CallStartedAfterEnd),
            Some(Start::Again) => Some(AnomalyKind::CallStartedTwice),
            Some(Start::AdoptEnded) => Some(AnomalyKind::CallEndedBeforeStart),
            _ => None,
        };
        // A retry leaves an attempt behind that never ended.
        let mut given_up = None;
        let mut count = None;
        match (start, known) {
            (Some(Start::Adopt | Start::AdoptEnded | Start::Again), Some(call)) => {
                call.implicit = false;
                if !call.counted {
                    call.counted = true;
                    call.started = Some(time);
                    call.tool_name.clone_from(&tool_name);
                    count = Some(tool_name);
                }
            }
            (_, known) => {
                given_up = known
                    .filter(|call| call.counted && call.status == StatusMeaning::Interrupted)
                    .map(|call| call.tool_name.clone());
                let call = Call {
                    tool_name: tool_name.clone(),
                    status: StatusMeaning::Running,
                    implicit: false,
                    counted: true,
                    seen: interruptions,
                    started: Some(time),
                    elsewhere: false,
                };
                calls.tools.insert(part.call_id.into_string(), call);
                count = Some(tool_name);
            }
        }
        odd.into_iter().for_each(|kind| self.odd(kind));
        let tools = &mut self.totals.tool_calls;
        given_up.into_iter().for_each(|name| tools.entry(name).or_default().interrupted += 1);
        count.into_iter().for_each(|name| tools.entry(name).or_default().count += 1);
    }

    pub(crate) fn call_output(&mut self, part: &OutputPart<'_>) {
        let seen = self.interruptions;
        let calls = &mut self.turn(&part.turn_id).calls;
        if let Some(call) = calls.tool(&part.call_id, seen) {
            if call.status == StatusMeaning::Interrupted {
                call.status = StatusMeaning::Running;
            }
            call.seen = seen;
            return;
        }
        let call = Call {
            tool_name: String::new(),
            status: StatusMeaning::Running,
            implicit: true,
            counted: false,
            seen,
            started: None,
            elsewhere: false,
        };
        calls.tools.insert(part.call_id.to_string(), call);
        self.odd(AnomalyKind::UnknownCall);
    }

    pub(crate) fn call_ended(&mut self, turn_id: &str, part: CallEndPart<'_>, time: Timestamp) {
        let status = part.meaning();
        let seen = self.interruptions;
        let started = match self.turn(turn_id).calls.tool(&part.call_id, seen) {
            // The first end counts; the later status holds.
            Some(call) if call.status.is_over() => {
                call.status = status;
                call.seen = seen;
                return self.odd(AnomalyKind::CallEndedTwice);
            }
            Some(call) => call.started,
            None => {
                self.odd(AnomalyKind::CallEndedWithoutStart);
                None
            }
        };
        let duration = part.duration_ms.or(started.map(|started| millis(started, time)));
        self.count_end(turn_id, part, status, duration, time);
    }

    /// A call that came whole, in a turn that is there.
    pub(crate) fn call_recorded(&mut self, turn_id: &str, part: CallEndPart<'_>, time: Timestamp) {
        let status = part.meaning();
        let (seen, call_id) = (self.interruptions, part.call_id.to_string());
        let known = self.turn(turn_id).calls.tool(&call_id, seen);
        match known.filter(|call| call.status.is_over()) {
            Some(call) => {
                call.status = status;
                call.seen = seen;
            }
            None => {
                let duration = part.duration_ms;
                self.count_end(turn_id, part, status, duration, time);
            }
        }
        if let Some(call) = self.turn(turn_id).calls.tool(&call_id, seen) {
            call.implicit = false;
        }
    }

    /// Counts how a call ended, and the call itself if its start was not seen.
    fn count_end(
        &mut self,
        turn_id: &str,
        part: CallEndPart<'_>,
        status: StatusMeaning,
        duration: Option<f64>,
        time: Timestamp,
    ) {
        let seen = self.interruptions;
        let given_name = || part.tool_name.map(Text::into_string).unwrap_or_default();
        let calls = &mut self.turn(turn_id).calls;
        let (tool_name, is_new) = match calls.tool(&part.call_id, seen) {
            Some(call) => {
                call.status = status;
                call.seen = seen;
                if call.elsewhere {
                    return;
                }
                if call.tool_name.is_empty() && !call.counted {
                    call.tool_name = given_name();
                }
                (call.tool_name.clone(), !std::mem::replace(&mut call.counted, true))
            }
            None => {
                let tool_name = given_name();
                let name = tool_name.clone();
                let call =
                    Call { tool_name, status, implicit: true, counted: true, seen, started: None, elsewhere: false };
                calls.tools.insert(part.call_id.into_string(), call);
                (name, true)
            }
        };
        let stats = self.totals.tool_calls.entry(tool_name).or_default();
        stats.count += u64::from(is_new);
        stats.errors += u64::from(status.is_failure());
        stats.timeouts += u64::from(status == StatusMeaning::Timeout);
        stats.unknown_status += u64::from(status == StatusMeaning::Unknown);
        duration.into_iter().for_each(|ms| {
            stats.durations.add_ms(ms);
        });
        self.day(time).tool_calls += 1;
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

fn spent(usage: Usage, cost: Cost) -> Spent {
    Spent {
        input_tokens: usage.input_tokens.unwrap_or(0),
        output_tokens: usage.output_tokens.unwrap_or(0),
        cache_read_input_tokens: usage.cache_read_input_tokens.unwrap_or(0),
        cache_write_input_tokens: usage.cache_write_input_tokens.unwrap_or(0),
        reasoning_output_tokens: usage.reasoning_output_tokens.unwrap_or(0),
        cost_usd_micros: cost.usd_micros,
        unpriced_calls: u64::from(!cost.is_whole),
    }
}

fn millis(from: Timestamp, to: Timestamp) -> f64 {
    to.since(from).as_secs_f64() * 1000.0
}
