//! Which streaming is kept elsewhere: the pure decision which lines may go.
//!
//! A *stream* is what one model call says or reasons, what one tool call puts out, or what a turn says outside of any
//! model call: from its start to its end, and to no other end. Its lines may go if their texts together are, byte for
//! byte, what the ending event says itself. Whatever makes it doubtful which lines belong to which end (an interruption,
//! a rewind, a second start, a gap) gives the stream up, and its lines stay.
//!
//! That the start has been seen matters too: so no turn, call or model call first comes into being with a line that goes,
//! none is woken by one, and none takes another place in the record without it.

use crate::model::event::{Event, ModelCallEnded, ToolCallEnded, TurnEnded};
use std::collections::{HashMap, HashSet};
use std::mem;

/// Where a line stands among the segments that are looked at together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Which of the segments.
    pub(super) member: usize,
    pub(super) offset: u64,
    /// Behind its line break.
    pub(super) end: u64,
}

/// Lines of one stream that touch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) place: Place,
    pub(super) lines: u64,
}

/// What a line of a stream says of itself beside its text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks {
    /// It bears the caller's own id.
    pub(super) has_id: bool,
    /// Nothing stands in it but what an ending event repeats: no member that a newer version may have added.
    pub(super) bare: bool,
}

/// A stream that has begun and not ended.
#[derive(Debug, Default)]
struct Stream {
    text: String,
    spans: Vec<Span>,
    has_id: bool,
}

/// What has begun in a turn.
#[derive(Debug, Default)]
struct Turn {
    /// What it says outside of model calls; `None` if that is given up.
    loose: Option<Stream>,
    /// Text and reasoning of each model call that is running; `None` for what is given up until its end.
    model_calls: HashMap<String, [Option<Stream>; 2]>,
    /// The output of each tool call that is running, likewise.
    calls: HashMap<String, Option<Stream>>,
}

/// The streams that have begun.
///
/// Every turn that was seen and has not ended since is in one of three places, so that what touches all of them costs no
/// more than they had events: a session may have many that never end.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// The turns with an event since everything was given up.
    turns: HashMap<String, Turn>,
    /// Those without one since: none of their streams is under way.
    given_up: HashMap<String, Turn>,
    /// Those without one since everything was interrupted: nothing runs in them.
    interrupted: HashSet<String>,
    /// The lines that may go, with the type of their events.
    droppable: Vec<(&'static str, Span)>,
}

const TEXT: usize = 0;
const REASONING: usize = 1;

impl Streams {
    /// These turns were running before the first line: what they said so far is not known here.
    pub(super) fn known_before(&mut self, turn_ids: impl IntoIterator<Item = String>) {
        self.interrupted.extend(turn_ids);
    }

    /// The lines that may go, in no particular order.
    pub(super) fn into_droppable(self) -> Vec<(&'static str, Span)> {
        self.droppable
    }

    /// Whether no stream is under way: what comes from here on is judged without what came before.
    pub(super) fn is_quiet(&self) -> bool {
        self.turns.values().all(|turn| {
            let mut streams = turn.model_calls.values().flatten().chain(turn.calls.values());
            turn.loose.is_none() && streams.all(Option::is_none)
        })
    }

    /// Keeps every line of the streams that are under way.
    pub(super) fn give_up(&mut self) {
        // Taken, not drained: an empty map that was large once takes long to walk.
        for (turn_id, mut turn) in mem::take(&mut self.turns) {
            turn.give_up();
            self.given_up.insert(turn_id, turn);
        }
    }

    /// The next entry.
    pub(super) fn event(&mut self, event: &Event<'_>, place: Place, marks: Marks) {
        match event {
            Event::TextDelta(delta) => {
                let turn = self.turn(&delta.turn_id);
                match delta.model_call_id.as_deref() {
                    Some(id) => {
                        turn.model_call_says(&delta.text);
                        push(&mut turn.model_call(id)[TEXT], &delta.text, place, marks);
                    }
                    None => {
                        turn.says_between(&delta.text);
                        push(&mut turn.loose, &delta.text, place, marks);
                    }
                }
            }
            Event::ReasoningDelta(delta) => {
                let turn = self.turn(&delta.turn_id);
                if let Some(id) = delta.model_call_id.as_deref() {
                    push(&mut turn.model_call(id)[REASONING], &delta.text, place, marks);
                }
            }
            Event::ToolCallOutput(output) => {
                let calls = &mut self.turn(&output.turn_id).calls;
                if !calls.contains_key(&*output.call_id) {
                    calls.insert(output.call_id.to_string(), None);
                }
                if let Some(stream) = calls.get_mut(&*output.call_id) {
                    push(stream, &output.text, place, marks);
                }
            }
            other => self.milestone(other, marks),
        }
    }

    /// Everything that is no streaming.
    fn milestone(&mut self, event: &Event<'_>, marks: Marks) {
        match event {
            Event::TurnStarted(started) => {
                // Known and not ended: a second start, or the late one of a turn that has said something already.
                match self.known(&started.turn_id) {
                    Some(known) => known.give_up(),
                    None => {
                        let turn = Turn { loose: Some(Stream::default()), ..Turn::default() };
                        self.turns.insert(started.turn_id.to_string(), turn);
                    }
                }
            }
            Event::ModelCallStarted(started) => {
                let calls = &mut self.turn(&started.turn_id).model_calls;
                let new = calls.remove(&*started.model_call_id).is_none();
                let streams = [new.then(Stream::default), new.then(Stream::default)];
                calls.insert(started.model_call_id.to_string(), streams);
            }
            Event::ModelCallEnded(ended) => self.model_call_ended(ended, marks),
            Event::ToolCallStarted(started) => {
                let calls = &mut self.turn(&started.turn_id).calls;
                let new = calls.remove(&*started.call_id).is_none();
                calls.insert(started.call_id.to_string(), new.then(Stream::default));
            }
            Event::ToolCallEnded(ended) => self.tool_call_ended(ended, marks),
            Event::ToolCallRecorded(recorded) => {
                self.turn(&recorded.turn_id).calls.remove(&recorded.call.call_id);
            }
            Event::TurnUpdated(updated) => drop(self.turn(&updated.turn_id)),
            Event::TurnEnded(ended) => self.turn_ended(ended, marks),
            Event::TurnRecorded(recorded) => drop(self.forget(&recorded.turn.turn_id)),
            Event::TurnsRewound(_) => self.give_up(),
            Event::SessionEnded(_) | Event::JournalRecovered(_) | Event::JournalClosed(_) => self.interrupt(),
            _ => {}
        }
    }

    /// Whatever runs is interrupted: a call that starts again is another try.
    fn interrupt(&mut self) {
        self.interrupted.extend(mem::take(&mut self.turns).into_keys());
        self.interrupted.extend(mem::take(&mut self.given_up).into_keys());
    }

    /// A turn that has an event, if it was seen before.
    fn known(&mut self, turn_id: &str) -> Option<&mut Turn> {
        if !self.turns.contains_key(turn_id) {
            let turn = self.forget(turn_id)?;
            self.turns.insert(turn_id.to_owned(), turn);
        }
        self.turns.get_mut(turn_id)
    }

    /// A turn that has an event.
    fn turn(&mut self, turn_id: &str) -> &mut Turn {
        if self.known(turn_id).is_none() {
            self.turns.insert(turn_id.to_owned(), Turn::default());
        }
        self.turns.get_mut(turn_id).expect("it has just been put there")
    }

    /// A turn that is over: what was known of it.
    fn forget(&mut self, turn_id: &str) -> Option<Turn> {
        let turn = self.turns.remove(turn_id).or_else(|| self.given_up.remove(turn_id));
        turn.or_else(|| self.interrupted.remove(turn_id).then(Turn::default))
    }

    fn model_call_ended(&mut self, ended: &ModelCallEnded<'_>, marks: Marks) {
        let turn = self.turn(&ended.turn_id);
        turn.model_call_says(ended.text.as_deref().unwrap_or_default());
        let Some([text, reasoning]) = turn.model_calls.remove(&*ended.model_call_id) else { return };
        self.settle("text_delta", text, ended.text.as_deref(), marks);
        self.settle("reasoning_delta", reasoning, ended.reasoning.as_deref(), marks);
    }

    fn tool_call_ended(&mut self, ended: &ToolCallEnded<'_>, marks: Marks) {
        let stream = self.turn(&ended.turn_id).calls.remove(&*ended.call_id).flatten();
        if stream.as_ref().is_some_and(|stream| !stream.spans.is_empty()) {
            let result = ended.result.as_ref().and_then(|result| result.to_text());
            self.settle("tool_call_output", stream, result.as_deref(), marks);
        }
    }

    fn turn_ended(&mut self, ended: &TurnEnded<'_>, marks: Marks) {
        let stream = self.forget(&ended.turn_id).and_then(|turn| turn.loose);
        self.settle("text_delta", stream, ended.response_content.as_deref(), marks);
    }

    /// The end of a stream: its lines may go if the end says the same.
    fn settle(&mut self, kind: &'static str, stream: Option<Stream>, said: Option<&str>, end: Marks) {
        let Some(stream) = stream else { return };
        // The last id that a caller gave is looked for when a journal is opened again: a later one must stay.
        if said == Some(stream.text.as_str()) && (end.has_id || !stream.has_id) {
            self.droppable.extend(stream.spans.into_iter().map(|span| (kind, span)));
        }
    }
}

impl Turn {
    /// The streams of a model call. One whose start was not seen is given up.
    fn model_call(&mut self, id: &str) -> &mut [Option<Stream>; 2] {
        if !self.model_calls.contains_key(id) {
            self.model_calls.insert(id.to_owned(), [None, None]);
        }
        self.model_calls.get_mut(id).expect("it has just been put there")
    }

    fn give_up(&mut self) {
        self.loose = None;
        self.model_calls.values_mut().for_each(|call| *call = [None, None]);
        self.calls.values_mut().for_each(|call| *call = None);
    }

    /// A model call has text of its own. Beside it, what the turn says outside of model calls must stay where it is: its
    /// end tells the words, and not before or behind which others they came.
    fn model_call_says(&mut self, text: &str) {
        if !text.is_empty() {
            self.loose = None;
        }
    }

    /// The turn says something outside of its model calls. Of those that have begun to speak, the words before and behind
    /// it stay where they are, for the same reason.
    fn says_between(&mut self, text: &str) {
        for call in self.model_calls.values_mut().filter(|_| !text.is_empty()) {
            let _ = call[TEXT].take_if(|stream| !stream.spans.is_empty());
        }
    }
}

/// Adds a line to a stream, or gives the stream up.
fn push(slot: &mut Option<Stream>, text: &str, place: Place, marks: Marks) {
    if !marks.bare {
        *slot = None;
    }
    let Some(stream) = slot else { return };
    stream.text.push_str(text);
    stream.has_id |= marks.has_id;
    match stream.spans.last_mut() {
        Some(span) if (span.place.member, span.place.end) == (place.member, place.offset) => {
            span.place.end = place.end;
            span.lines += 1;
        }
        _ => stream.spans.push(Span { place, lines: 1 }),
    }
}
