//! The tool calls of a rollout: items that start and end them, and events that say more about their ends.

use super::Codex;
use crate::interop::import::codex::call::{Call, call_id};
use crate::interop::import::{Fate, Note, Out, arguments, millis_between};
use crate::json::Json;
use crate::json::members::{Object, text};
use crate::model::event::{ToolCallEnded, ToolCallStarted};
use crate::model::status::ToolCallStatus;

impl Codex {
    pub(super) fn start_call(&mut self, kind: &str, item: &Object<'_>, out: &mut Out) {
        let turn = self.model_call(item, out).turn;
        let call_id = call_id(item, out);
        let name =
            item.text("name").map_or_else(|| kind.trim_end_matches("_call").to_owned(), |name| name.into_string());
        let mut started = ToolCallStarted::new(turn.as_str(), call_id.as_str(), name);
        let raw = ["arguments", "input", "action"].into_iter().find_map(|key| item.some(key));
        started.arguments = arguments(raw, &mut started.metadata);
        started.metadata.extend(item.json("namespace").map(|namespace| ("namespace".to_owned(), namespace)));
        out.push(started);
        self.calls.insert(call_id, Call { turn, time: out.time(), is_over: false, duration_ms: None, failure: None });
    }

    /// A call that is one item.
    pub(super) fn whole_call(&mut self, kind: &str, item: &Object<'_>, out: &mut Out) {
        let id = call_id(item, out);
        let turn = self.model_call(item, out).turn;
        let name = kind.trim_end_matches("_call");
        out.push(ToolCallStarted::new(turn.as_str(), id.as_str(), name).arguments(item.json("action")));
        out.push(ToolCallEnded::new(turn, id).result(item.json("result")));
    }

    pub(super) fn end_call(&mut self, item: &Object<'_>, out: &mut Out) -> Fate {
        let call_id = call_id(item, out);
        if self.copied.has_call(&call_id) {
            return Fate::Kept("copied".into()); // the parent's own call, which had not ended when the history was copied
        }
        let output = item.raw("output").or_else(|| item.raw("tools")).unwrap_or("null");
        let known = self.calls.remove(&call_id);
        if let Some(over) = known.as_ref().and_then(|call| self.over.get_mut(&call.turn)) {
            over.remove(&call_id);
        }
        let turn = match &known {
            Some(call) => call.turn.clone(),
            None => {
                out.note(Note::ResultWithoutCall);
                self.turn(out)
            }
        };
        let (failure, duration_ms) = read_output(output);
        self.turns.worked(false);
        self.since = out.time();
        let known_duration = known.as_ref().and_then(|call| call.duration_ms).or(duration_ms);
        let since_start = || millis_between(known.as_ref().and_then(|call| call.time), out.time());
        let mut ended = ToolCallEnded::new(turn, call_id).duration_ms(known_duration.or_else(since_start));
        ended.result = Json::parse(output).ok();
        if let Some(why) = known.and_then(|call| call.failure).or(failure) {
            ended = ended.status(ToolCallStatus::Error).error(why);
        }
        out.push(ended);
        self.after_call(out);
        Fate::Mapped
    }

    /// Calls of which an event said that they ended, and whose output never came.
    pub(super) fn end_calls(&mut self, turn: &str, out: &mut Out) {
        for id in self.over.remove(turn).unwrap_or_default() {
            // Another call of the same id may have started since.
            let Some(call) = self.calls.get(&id).filter(|call| call.is_over && call.turn == turn) else { continue };
            let mut ended = ToolCallEnded::new(turn, id.clone()).duration_ms(call.duration_ms);
            ended.error = call.failure.clone().map(Into::into);
            self.calls.remove(&id);
            out.push(ended);
        }
    }

    pub(super) fn event_of_call(&mut self, kind: &str, event: &Object<'_>, out: &mut Out) -> Fate {
        let call_id = call_id(event, out);
        let duration = event
            .object("duration")
            .map(|duration| duration.f64("secs").unwrap_or(0.0) * 1000.0 + duration.f64("nanos").unwrap_or(0.0) / 1e6);
        let failure = failure_of(event);
        if let Some(call) = self.calls.get_mut(&call_id) {
            (call.is_over, call.duration_ms, call.failure) = (true, duration, failure);
            self.over.entry(call.turn.clone()).or_default().insert(call_id);
            return Fate::Kept(kind.to_owned().into());
        }
        if self.copied.has_call(&call_id) {
            return Fate::Kept("copied".into());
        }
        let turn = self.turn(out);
        self.turns.worked(false);
        let invocation = event.object("invocation").unwrap_or_default();
        let name = invocation.text("tool").or_else(|| event.text("tool"));
        let name = name.map_or_else(|| kind.trim_end_matches("_end").to_owned(), |name| name.into_string());
        let arguments = invocation.json("arguments").or_else(|| first_of(event, "arguments command changes action"));
        out.push(ToolCallStarted::new(turn.as_str(), call_id.as_str(), name).arguments(arguments));
        let mut ended = ToolCallEnded::new(turn, call_id).duration_ms(duration);
        ended.result = first_of(event, "result aggregated_output stdout results content_items");
        if let Some(why) = failure {
            ended = ended.status(ToolCallStatus::Error).error(why);
        }
        out.push(ended);
        Fate::Mapped
    }
}

/// The first of these members that is there.
fn first_of(record: &Object<'_>, names: &str) -> Option<Json> {
    names.split(' ').find_map(|name| record.json(name))
}

/// What went wrong with a call, as its event has it.
fn failure_of(event: &Object<'_>) -> Option<String> {
    if let Some(code) = event.some("exit_code").filter(|code| *code != "0") {
        return Some(format!("exit code {code}"));
    }
    if let Some(error) = event.object("result").and_then(|result| result.text("Err").map(|error| error.into_string())) {
        return Some(error);
    }
    (event.raw("success") == Some("false")).then(|| {
        let words = event.text("error").or_else(|| event.text("stderr")).filter(|words| !words.is_empty());
        words.map_or_else(|| "failed".to_owned(), |words| words.into_string())
    })
}

/// What an output says about itself, what went wrong and how long it took: older ones as JSON in a string, newer ones in
/// their first lines.
fn read_output(output: &str) -> (Option<String>, Option<f64>) {
    let Some(told) = text(output) else {
        let failed = Object::parse(output).is_some_and(|output| output.raw("success") == Some("false"));
        return (failed.then(|| "failed".to_owned()), None);
    };
    let (mut code, mut seconds): (Option<i64>, Option<f64>) = (None, None);
    if let Some(metadata) = Object::parse(&told).and_then(|inner| inner.object("metadata")) {
        code = metadata.raw("exit_code").and_then(|code| code.parse().ok());
        seconds = metadata.f64("duration_seconds");
    }
    for line in told.lines().take(6) {
        for lead in ["Exit code: ", "Process exited with code "] {
            code = line.strip_prefix(lead).and_then(|code| code.trim().parse().ok()).or(code);
        }
        let took = line.strip_prefix("Wall time: ").and_then(|took| took.split(' ').next()?.parse().ok());
        seconds = took.or(seconds);
    }
    let failure = code.filter(|code| *code != 0).map(|code| format!("exit code {code}"));
    (failure, seconds.map(|seconds| seconds * 1000.0))
}
