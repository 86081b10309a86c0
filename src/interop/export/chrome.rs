//! A Chrome trace: turns, model calls and tool calls as complete events on tracks of their own. Opens in Perfetto.
//!
//! What overlaps goes to another track of its kind, since complete events on one track must nest. What has no end goes to
//! the last time that is known, and its arguments say so.

use super::options::{ExportOptions, write_json};
use super::story::{ModelCall, Span, Step, Story, ToolCall, Turn, What};
use crate::json::Json;
use crate::model::record::TurnRecord;
use indexmap::IndexMap;
use serde::Serialize;
use std::io::{self, Write};

/// The one process of the trace.
const PROCESS: u64 = 1;

/// The kinds of tracks, in the order in which they are shown.
const TRACKS: [&str; 3] = ["turns", "model calls", "tool calls"];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Trace<'a> {
    display_time_unit: &'static str,
    other_data: Args,
    trace_events: Vec<Event<'a>>,
}

#[derive(Serialize)]
struct Event<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cat: Option<&'static str>,
    ph: &'static str,
    /// Microseconds since 1970.
    ts: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<i64>,
    pid: u64,
    tid: u64,
    /// How wide an instant event is drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<&'static str>,
    args: Args,
}

/// Named values, in order.
#[derive(Default, Serialize)]
#[serde(transparent)]
struct Args(IndexMap<&'static str, Json>);

impl Args {
    fn with(mut self, name: &'static str, value: impl Serialize) -> Args {
        if let Ok(value) = Json::new(&value) {
            self.0.insert(name, value);
        }
        self
    }

    fn with_some(self, name: &'static str, value: Option<impl Serialize>) -> Args {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    fn unless_finished(self, span: Span) -> Args {
        if span.finished { self } else { self.with("unfinished", true) }
    }
}

/// Writes the trace.
pub(super) fn write(story: &Story, options: &ExportOptions, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page { events: Vec::new(), tracks: Default::default(), content: options.content };
    for step in &story.prelude {
        page.step(step, None);
    }
    for (turn, record) in story.turns() {
        page.turn(turn, record);
        for step in &turn.steps {
            page.step(step, Some(record));
        }
    }
    let mut events = names(story, page.tracks.each_ref().map(|tracks| tracks.count));
    events.extend(page.events);
    let other = Args::default()
        .with("session_id", &story.record.session_id)
        .with_some("journal", story.origin.journal.as_ref())
        .with("gaps", story.gaps)
        .with("writer", concat!("foldlog/", env!("CARGO_PKG_VERSION")));
    let trace = Trace { display_time_unit: "ms", other_data: other, trace_events: events };
    write_json(&trace, options.pretty, out)
}

/// The events so far.
struct Page<'a> {
    events: Vec<Event<'a>>,
    /// The tracks of each kind.
    tracks: [Tracks; 3],
    content: bool,
}

/// Until when each track of a kind is taken.
///
/// A binary tree of minima over the tracks, in one list as a heap is: thousands of calls may be open at once, and a search
/// along the tracks for each of them would be quadratic.
#[derive(Default)]
struct Tracks {
    /// The root is at 1; the leaves are its second half. Tracks that are not there are never free.
    minima: Vec<i64>,
    count: usize,
}

impl Tracks {
    /// Takes the first track that is free at `begin`, or a new one, until `end`.
    fn take(&mut self, begin: i64, end: i64) -> usize {
        let track = self.first_free(begin).unwrap_or(self.count);
        if track == self.minima.len() / 2 {
            self.grow();
        }
        self.count = self.count.max(track + 1);
        let mut node = self.minima.len() / 2 + track;
        self.minima[node] = end;
        while node > 1 {
            node /= 2;
            self.minima[node] = self.minima[2 * node].min(self.minima[2 * node + 1]);
        }
        track
    }

    fn first_free(&self, begin: i64) -> Option<usize> {
        let leaves = self.minima.len() / 2;
        let is_free = |node: usize| self.minima[node] <= begin;
        if leaves == 0 || !is_free(1) {
            return None;
        }
        let mut node = 1;
        while node < leaves {
            node = if is_free(2 * node) { 2 * node } else { 2 * node + 1 };
        }
        Some(node - leaves)
    }

    fn grow(&mut self) {
        let leaves = self.minima.split_off(self.minima.len() / 2);
        let room = (leaves.len() * 2).max(2);
        self.minima = vec![i64::MAX; 2 * room];
        self.minima[room..room + leaves.len()].copy_from_slice(&leaves);
        for node in (1..room).rev() {
            self.minima[node] = self.minima[2 * node].min(self.minima[2 * node + 1]);
        }
    }
}

impl<'a> Page<'a> {
    fn turn(&mut self, turn: &Turn, record: &'a TurnRecord) {
        let args = Args::default()
            .with("turn", turn.number)
            .with("status", &turn.status)
            .with_some("agent", record.agent_id.as_ref())
            .with_some("prompt", self.content.then_some(&record.prompt))
            .with_some("response", record.response_content.as_ref().filter(|_| self.content))
            .with_some("error", record.error.as_ref())
            .with("seq", turn.seq)
            .unless_finished(turn.span);
        self.complete(0, "turn", &record.turn_id, turn.span, args);
    }

    fn step(&mut self, step: &'a Step, record: Option<&'a TurnRecord>) {
        match &step.what {
            What::ModelCall(call) => self.model_call(step, call),
            What::ToolCall(call) => self.tool_call(step, call, record),
            What::Transition(transition) => {
                let args = Args::default()
                    .with_some("from", transition.from_agent.as_ref())
                    .with_some("reason", transition.reason.as_ref())
                    .with("seq", step.seq);
                self.instant("transition", &transition.to_agent, step, args);
            }
            What::User(message) => {
                let args =
                    Args::default().with_some("text", self.content.then_some(&message.text)).with("seq", step.seq);
                self.instant("user_message", "user message", step, args);
            }
            What::Approval(approval) => {
                let args = Args::default()
                    .with("id", &approval.id)
                    .with_some("question", Some(&approval.question).filter(|text| self.content && !text.is_empty()))
                    .with_some("outcome", approval.outcome.as_ref())
                    .with("seq", step.seq);
                self.instant("approval", "approval", step, args);
            }
            What::Compaction(what) => {
                let args = Args::default().with_some("what", self.content.then_some(what)).with("seq", step.seq);
                self.instant("context_compacted", "context compacted", step, args);
            }
            What::Note(note) => self.instant("note", note, step, Args::default().with("seq", step.seq)),
            What::Gap(gap) => {
                self.instant("gap", "something is missing here", step, Args::default().with("what", gap.to_string()));
            }
            What::Text(..) | What::Reasoning(..) => {}
        }
    }

    fn model_call(&mut self, step: &Step, call: &'a ModelCall) {
        let args = Args::default()
            .with("id", &call.id)
            .with("status", &call.status)
            .with_some("provider", call.provider.as_ref())
            .with_some("finish_reason", call.finish_reason.as_ref())
            .with("usage", call.usage)
            .with_some("cost_usd_micros", call.cost_usd_micros)
            .with_some("error", call.error.as_ref())
            .with("seq", step.seq)
            .unless_finished(call.span);
        self.complete(1, "model_call", call.model.as_deref().unwrap_or("model call"), call.span, args);
    }

    fn tool_call(&mut self, step: &Step, call: &'a ToolCall, record: Option<&'a TurnRecord>) {
        let recorded = record.and_then(|record| call.record(record));
        let shown = recorded.filter(|_| self.content);
        let args = Args::default()
            .with("id", &call.id)
            .with("status", &call.status)
            .with_some("duration_ms", call.duration_ms)
            .with_some("arguments", shown.map(|call| &call.arguments))
            .with_some("result", shown.map(|call| &call.result))
            .with_some("error", recorded.and_then(|call| call.error.as_ref()))
            .with("seq", step.seq)
            .unless_finished(call.span);
        let name = if call.name.is_empty() { "tool call" } else { &call.name };
        self.complete(2, "tool_call", name, call.span, args);
    }

    fn complete(&mut self, kind: usize, category: &'static str, name: &'a str, span: Span, args: Args) {
        let (begin, end) = (span.begin.micros(), span.end.micros());
        // Something of no length takes its place all the same.
        let track = self.tracks[kind].take(begin, end.max(begin + 1));
        self.events.push(Event {
            name,
            cat: Some(category),
            ph: "X",
            ts: begin,
            dur: Some(end - begin),
            pid: PROCESS,
            tid: track_id(kind, track),
            s: None,
            args,
        });
    }

    fn instant(&mut self, category: &'static str, name: &'a str, step: &Step, args: Args) {
        self.events.push(Event {
            name,
            cat: Some(category),
            ph: "i",
            ts: step.time.micros(),
            dur: None,
            pid: PROCESS,
            tid: track_id(0, 0),
            s: Some("p"),
            args,
        });
    }
}

/// Numbers of tracks: those of one kind stand together.
fn track_id(kind: usize, track: usize) -> u64 {
    kind as u64 * 1_000_000 + track as u64 + 1
}

/// The events that name the process and the tracks.
fn names(story: &Story, tracks: [usize; 3]) -> Vec<Event<'static>> {
    let name = |what: &'static str, tid: u64, args: Args| Event {
        name: what,
        cat: None,
        ph: "M",
        ts: 0,
        dur: None,
        pid: PROCESS,
        tid,
        s: None,
        args,
    };
    let process = format!("session {}", story.record.session_id);
    let mut events = vec![name("process_name", 0, Args::default().with("name", process))];
    for (kind, tracks) in tracks.into_iter().enumerate() {
        for track in 0..tracks {
            let id = track_id(kind, track);
            let title = match track {
                0 => TRACKS[kind].to_owned(),
                _ => format!("{} {}", TRACKS[kind], track + 1),
            };
            events.push(name("thread_name", id, Args::default().with("name", title)));
            events.push(name("thread_sort_index", id, Args::default().with("sort_index", id)));
        }
    }
    events
}

#[cfg(test)]
mod tests {
    use super::Tracks;

    #[test]
    fn the_first_free_track_is_taken() {
        let mut tracks = Tracks::default();
        let taken: Vec<usize> = [(0, 9), (1, 5), (2, 20), (3, 4), (5, 6), (5, 7), (30, 40), (1, 2), (8, 9)]
            .map(|(begin, end)| tracks.take(begin, end))
            .to_vec();
        assert_eq!(taken, [0, 1, 2, 3, 1, 3, 0, 4, 1]);
    }
}
