//! The fold from entries to a [`Story`]: the record, the timeline and the outline, put together.

use super::{Approval, ModelCall, Span, Step, Story, ToolCall, Turn, UserMessage, What};
use crate::fold::{Origin, OutlineFold, OutlineTurn, Reducer, SessionFold, TimelineFold, TimelineItem, TimelineKind};
use crate::json::{Metadata, Text};
use crate::model::entry::Entry;
use crate::model::event::{Attachment, Event, ModelCallEnded, ModelCallStarted, Usage};
use crate::model::gap::Gap;
use crate::model::record::{AgentTransitionRecord, ToolCallRecord, TurnRecord};
use crate::model::seq::Seq;
use crate::model::status::StatusMeaning;
use crate::model::time::Timestamp;
use std::collections::HashMap;

/// Folds entries into a [`Story`].
#[derive(Debug)]
pub(crate) struct StoryFold {
    origin: Origin,
    live: bool,
    first_number: usize,
    out_of: Option<usize>,
    session: SessionFold,
    timeline: TimelineFold,
    outline: OutlineFold,
    models: Models,
    /// Each gap behind the entry that it follows.
    gaps: Vec<(Seq, Timestamp, Gap)>,
    times: Option<(Timestamp, Timestamp)>,
}

/// What the timeline does not keep.
#[derive(Debug, Default)]
struct Models {
    /// By the entry in which it began: who was asked for what.
    starts: HashMap<Seq, (Option<String>, Option<String>)>,
    /// By turn and call, in order.
    ends: HashMap<(String, String), Vec<(Seq, End)>>,
    transitions: HashMap<Seq, AgentTransitionRecord>,
    /// What came with the words of a user.
    user_messages: HashMap<Seq, (Vec<Attachment>, Metadata)>,
}

/// How a model call ended.
#[derive(Clone, Debug, Default)]
struct End {
    model: Option<String>,
    finish_reason: Option<String>,
    usage: Usage,
    cost_usd_micros: Option<i64>,
    error: Option<String>,
}

impl StoryFold {
    /// `live`: what runs may run. `part`: the number of the first turn that will be seen, and how many there are, if not
    /// all of them will be seen.
    pub(crate) fn new(origin: &Origin, live: bool, part: Option<(usize, usize)>) -> StoryFold {
        let mut fold = StoryFold {
            origin: origin.clone(),
            live,
            first_number: part.map_or(1, |(first, _)| first),
            out_of: part.map(|(_, count)| count),
            session: SessionFold::new(),
            timeline: TimelineFold::new(),
            outline: OutlineFold::default(),
            models: Models::default(),
            gaps: Vec::new(),
            times: None,
        };
        fold.session.begin(origin);
        fold.timeline.begin(origin);
        fold
    }
}

impl Reducer for StoryFold {
    type Output = Story;

    fn entry(&mut self, entry: &Entry<'_>) {
        self.session.entry(entry);
        self.timeline.entry(entry);
        self.outline.entry(entry);
        self.models.entry(entry);
        if !entry.is_recorders_own() {
            let (first, last) = self.times.unwrap_or((entry.time(), entry.time()));
            self.times = Some((first.min(entry.time()), last.max(entry.time())));
        }
    }

    fn gap(&mut self, gap: &Gap) {
        let time = self.times.map_or(self.origin.created, |(_, last)| last);
        self.gaps.push((self.outline.last_seq(), time, *gap));
    }

    fn finish(self) -> Story {
        let session = self.session.finish();
        let (began, last) = self.times.unwrap_or((self.origin.created, self.origin.created));
        let mut parts = Parts::new(self.outline.finish(), self.live, self.models);
        for item in self.timeline.finish().items {
            parts.take(item);
        }
        let mut turns = Vec::new();
        for (at, record) in session.record.turns.iter().enumerate() {
            turns.extend(parts.turn(at, self.first_number + at, record));
        }
        let mut story = Story {
            origin: self.origin,
            record: session.record,
            anomalies: session.anomalies,
            prelude: Vec::new(),
            turns,
            out_of: self.out_of,
            began,
            last,
            gaps: self.gaps.len(),
        };
        let gaps = self.gaps.into_iter().map(|(seq, time, gap)| Step { seq, time, what: What::Gap(gap) });
        story.place(parts.loose.into_iter().chain(gaps));
        story
    }
}

impl Story {
    /// Puts what belongs to no turn into the newest one that had begun by then, behind what came before it.
    fn place(&mut self, loose: impl Iterator<Item = Step>) {
        for step in loose {
            let begun = self.turns.partition_point(|turn| turn.seq <= step.seq);
            match begun.checked_sub(1) {
                Some(newest) => self.turns[newest].steps.push(step),
                None => self.prelude.push(step),
            }
        }
        // Stable: of one entry, what was there comes first.
        for steps in self.turns.iter_mut().map(|turn| &mut turn.steps).chain([&mut self.prelude]) {
            steps.sort_by_key(|step| step.seq);
        }
    }
}

impl Models {
    fn entry(&mut self, entry: &Entry<'_>) {
        match entry.type_name() {
            "model_call_started" | "model_call_ended" | "agent_transition" | "user_message" => {}
            _ => return,
        }
        match entry.event() {
            Ok(Event::ModelCallStarted(started)) => self.started(entry.seq(), started),
            Ok(Event::ModelCallEnded(ended)) => self.ended(entry.seq(), ended),
            Ok(Event::UserMessage(message)) => {
                self.user_messages.insert(entry.seq(), (message.attachments, message.metadata));
            }
            Ok(Event::AgentTransition(transition)) => {
                self.transitions.insert(entry.seq(), transition.into_record(entry.time()));
            }
            _ => {}
        }
    }

    fn started(&mut self, seq: Seq, started: ModelCallStarted<'_>) {
        let owned = |text: Option<Text<'_>>| text.map(Text::into_string);
        self.starts.insert(seq, (owned(started.provider), owned(started.model)));
    }

    fn ended(&mut self, seq: Seq, ended: ModelCallEnded<'_>) {
        let owned = |text: Option<Text<'_>>| text.map(Text::into_string);
        let key = (ended.turn_id.into_string(), ended.model_call_id.into_string());
        let end = End {
            model: owned(ended.model),
            finish_reason: owned(ended.finish_reason),
            usage: ended.usage.unwrap_or_default(),
            cost_usd_micros: ended.cost_usd_micros,
            error: owned(ended.error),
        };
        self.ends.entry(key).or_default().push((seq, end));
    }
}

/// The items of the timeline, sorted into turns.
struct Parts {
    outline: Vec<OutlineTurn>,
    /// Where the turns of each id are in the outline, in order.
    places: HashMap<String, Vec<usize>>,
    live: bool,
    models: Models,
    heads: Vec<Option<TimelineItem>>,
    items: Vec<Vec<TimelineItem>>,
    /// What belongs to no turn.
    loose: Vec<Step>,
    /// Turns that were there, also those that were rewound.
    known: HashMap<String, ()>,
}

impl Parts {
    fn new(outline: Vec<OutlineTurn>, live: bool, models: Models) -> Parts {
        let count = outline.len();
        let (heads, items) = ((0..count).map(|_| None).collect(), (0..count).map(|_| Vec::new()).collect());
        let mut places: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, turn) in outline.iter().enumerate() {
            places.entry(turn.turn_id.clone()).or_default().push(at);
        }
        Parts { outline, places, live, models, heads, items, loose: Vec::new(), known: HashMap::new() }
    }

    fn take(&mut self, mut item: TimelineItem) {
        if item.status.as_deref() == Some("running") && !self.live {
            item.status = Some("interrupted".to_owned());
        }
        let may_be_loose = is_of_the_session(item.kind);
        let turn_id = item.turn_id.as_deref().filter(|id| !id.is_empty() || !may_be_loose);
        let Some(turn_id) = turn_id else {
            self.loose.extend(self.loose_step(item));
            return;
        };
        let places = self.places.get(turn_id).map(Vec::as_slice).unwrap_or_default();
        let begun = places.partition_point(|at| self.outline[*at].began <= item.seq);
        let at = places[..begun].last().copied();
        if item.kind == TimelineKind::Turn {
            self.known.insert(turn_id.to_owned(), ());
        }
        match at {
            Some(at) if item.kind == TimelineKind::Turn && self.outline[at].began == item.seq => {
                self.heads[at] = Some(item);
            }
            // Another turn of the same id that was rewound.
            Some(_) if item.kind == TimelineKind::Turn => {}
            Some(at) => self.items[at].push(item),
            // Such things may come before their turn, or name one that never came. All else was rewound.
            None if may_be_loose && !self.known.contains_key(turn_id) => {
                self.loose.extend(self.loose_step(item));
            }
            None => {}
        }
    }

    fn loose_step(&self, item: TimelineItem) -> Option<Step> {
        let (seq, time) = (item.seq, item.time);
        let what = self.moment(&item)?;
        Some(Step { seq, time, what })
    }

    /// What took no time.
    fn moment(&self, item: &TimelineItem) -> Option<What> {
        Some(match item.kind {
            TimelineKind::Transition => What::Transition(self.models.transitions.get(&item.seq)?.clone()),
            TimelineKind::User => {
                let (attachments, metadata) = self.models.user_messages.get(&item.seq).cloned().unwrap_or_default();
                What::User(Box::new(UserMessage { text: item.title.clone(), attachments, metadata }))
            }
            TimelineKind::Approval => What::Approval(Box::new(Approval {
                id: item.id.clone().unwrap_or_default(),
                question: item.title.clone(),
                outcome: item.ended_at.and_then(|_| item.status.clone()),
            })),
            TimelineKind::Compaction => What::Compaction(item.title.clone()),
            _ => What::Note(item.title.clone()),
        })
    }

    /// The turn at a position of the record.
    fn turn(&mut self, at: usize, number: usize, record: &TurnRecord) -> Option<Turn> {
        let outline = self.outline.get(at)?.clone();
        let head = self.heads[at].take()?;
        let meaning = head.meaning().unwrap_or(StatusMeaning::Unknown);
        let status = head.status.unwrap_or_default();
        let span = Span::new(head.time, head.ended_at, head.duration_ms, meaning, outline.last);
        let items = std::mem::take(&mut self.items[at]);
        let records = which_record(&items, &record.tool_calls);
        let mut unseen: Vec<bool> = vec![true; record.tool_calls.len()];
        let mut steps = Vec::new();
        let next_of = next_of_the_same(&items);
        for (position, item) in items.iter().enumerate() {
            let call = records.get(&position).copied();
            if let Some(call) = call {
                unseen[call] = false;
            }
            let what = self.what(item, &outline, span, record, call, next_of[position]);
            steps.extend(what.map(|what| Step { seq: item.seq, time: item.time, what }));
        }
        // Two calls of one id in a turn that came whole are one item.
        for call in (0..unseen.len()).filter(|call| unseen[*call]) {
            let what = What::ToolCall(Box::new(untimed_call(&record.tool_calls[call], call, span)));
            steps.push(Step { seq: outline.began, time: span.begin, what });
        }
        steps.sort_by_key(|step| step.seq);
        Some(Turn { number, seq: outline.began, span, status, meaning, duration_ms: head.duration_ms, steps })
    }

    fn what(
        &self,
        item: &TimelineItem,
        turn: &OutlineTurn,
        span: Span,
        record: &TurnRecord,
        call: Option<usize>,
        next: Option<Seq>,
    ) -> Option<What> {
        let status = item.status.clone().unwrap_or_default();
        let meaning = item.meaning().unwrap_or(StatusMeaning::Unknown);
        // What was interrupted ended when it was last heard of; what runs may run until now.
        let last = match meaning {
            StatusMeaning::Interrupted => item.heard.unwrap_or(item.time),
            _ => turn.last,
        };
        let own_span = Span::new(item.time, item.ended_at, item.duration_ms, meaning, last);
        Some(match item.kind {
            TimelineKind::Text => What::Text(item.title.clone(), item.id.clone()),
            TimelineKind::Reasoning => What::Reasoning(item.title.clone(), item.id.clone()),
            TimelineKind::ToolCall => {
                let recorded = call.and_then(|at| record.tool_calls.get(at));
                // A call of a turn that came whole has no times of its own, but it was within the turn.
                let came_whole = item.ended_at.is_none() && own_span.finished && own_span.begin >= span.end;
                match recorded.zip(call) {
                    Some((recorded, at)) if came_whole => {
                        What::ToolCall(Box::new(ToolCall { status, meaning, ..untimed_call(recorded, at, span) }))
                    }
                    _ => What::ToolCall(Box::new(ToolCall {
                        id: item.id.clone().unwrap_or_default(),
                        name: item.tool_name.clone().unwrap_or_default(),
                        title: item.title.clone(),
                        status,
                        meaning,
                        span: own_span,
                        duration_ms: item.duration_ms,
                        at: call,
                    })),
                }
            }
            TimelineKind::ModelCall => {
                let id = item.id.clone().unwrap_or_default();
                let key = (turn.turn_id.clone(), id.clone());
                let ends = self.models.ends.get(&key).map(Vec::as_slice).unwrap_or_default();
                let before_next = ends.partition_point(|(seq, _)| next.is_none_or(|next| *seq < next));
                let end = ends[..before_next].last().filter(|(seq, _)| *seq >= item.seq);
                let end = end.map(|(_, end)| end.clone()).unwrap_or_default();
                let (provider, requested) = self.models.starts.get(&item.seq).cloned().unwrap_or_default();
                What::ModelCall(Box::new(ModelCall {
                    id,
                    model: end.model.clone().or_else(|| requested.clone()),
                    answered: end.model,
                    provider,
                    requested,
                    status,
                    meaning,
                    span: own_span,
                    duration_ms: item.duration_ms,
                    finish_reason: end.finish_reason,
                    usage: end.usage,
                    cost_usd_micros: end.cost_usd_micros,
                    error: end.error,
                }))
            }
            _ => self.moment(item)?,
        })
    }
}

/// Whether items of this kind belong to the session, also if they name a turn: that may come later, or never.
fn is_of_the_session(kind: TimelineKind) -> bool {
    matches!(kind, TimelineKind::Transition | TimelineKind::Approval | TimelineKind::Compaction)
}

/// A call of which no time is known but that of its turn.
fn untimed_call(record: &ToolCallRecord, at: usize, turn: Span) -> ToolCall {
    let meaning = record.meaning();
    ToolCall {
        id: record.call_id.clone(),
        name: record.tool_name.clone(),
        title: record.tool_name.clone(),
        status: record.status.shown(record.error.as_deref()).to_owned(),
        meaning,
        span: Span::new(turn.begin, None, record.duration_ms, meaning, turn.end),
        duration_ms: record.duration_ms,
        at: Some(at),
    }
}

/// For each item, where the next one of its kind and id began.
fn next_of_the_same(items: &[TimelineItem]) -> Vec<Option<Seq>> {
    let mut later: HashMap<(TimelineKind, Option<&str>), Seq> = HashMap::new();
    let mut next: Vec<Option<Seq>> =
        items.iter().rev().map(|item| later.insert((item.kind, item.id.as_deref()), item.seq)).collect();
    next.reverse();
    next
}

/// Which call of the record each item is, by the item's position. An item that failed or was interrupted and is followed
/// by one of the same id was tried again: the record has the last try.
fn which_record(items: &[TimelineItem], calls: &[ToolCallRecord]) -> HashMap<usize, usize> {
    let mut last_tries: HashMap<&str, Vec<usize>> = HashMap::new();
    for (position, item) in items.iter().enumerate().filter(|(_, item)| item.kind == TimelineKind::ToolCall) {
        let tries = last_tries.entry(item.id.as_deref().unwrap_or_default()).or_default();
        let is_retry = tries.last().is_some_and(|before| {
            items[*before].meaning().is_none_or(|meaning| !meaning.is_over() || meaning.is_failure())
        });
        if is_retry {
            tries.pop();
        }
        tries.push(position);
    }
    let mut found = HashMap::new();
    for (at, call) in calls.iter().enumerate().rev() {
        if let Some(position) = last_tries.get_mut(call.call_id.as_str()).and_then(Vec::pop) {
            found.insert(position, at);
        }
    }
    found
}
