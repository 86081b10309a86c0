//! Totals: what is counted of sessions, and can be added up over any number of them.

use crate::fold::anomaly::AnomalyKind;
use crate::fold::summary::histogram::Durations;
use crate::model::time::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// What happened in one session or in several, in numbers. Everything that happened counts, also what was rewound.
///
/// Totals add up exactly and in any order: see [`Totals::merge`].
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Totals {
    /// How many sessions.
    pub sessions: u64,
    /// Entries, the recorder's own included.
    pub entries: u64,
    /// Events of the sessions: entries without the recorder's own.
    pub events: u64,
    /// The earliest time of any event.
    pub first_activity: Option<Timestamp>,
    /// The latest time of any event.
    pub last_activity: Option<Timestamp>,
    /// For how long a turn was running, from event to event; silence after an interruption is not counted.
    pub active_micros: u64,
    /// The turns.
    pub turns: TurnStats,
    /// The tool calls, by the tool's name; an empty name where it is not known.
    pub tool_calls: BTreeMap<String, ToolCallStats>,
    /// The model calls, by model; an empty name where it is not known.
    pub model_calls: BTreeMap<String, ModelCallStats>,
    /// What came on each day.
    pub days: BTreeMap<Day, DayStats>,
    /// Bytes of answer text: what streamed in, and what came only with the end of its model call.
    pub text_bytes: u64,
    /// Lines of input that were no events.
    pub unparsed: u64,
    /// Events whose data does not fit their type.
    pub undecodable: u64,
    /// All entries by type.
    pub types: BTreeMap<String, TypeStats>,
    /// What was odd about the order of events, by kind.
    pub anomalies: BTreeMap<AnomalyKind, u64>,
    /// What could not be read.
    pub gaps: GapStats,
    /// How often journals were opened after an unclean end.
    pub recoveries: u64,
}

/// Turns, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnStats {
    /// Turns that started, or came whole.
    pub started: u64,
    /// Turns that ended, however they did.
    pub ended: u64,
    /// Those that ended well.
    pub succeeded: u64,
    /// Those that ended in an error.
    pub failed: u64,
    /// Those that somebody stopped.
    pub cancelled: u64,
    /// Those that ended with a status that this version does not know, and without an error.
    pub unknown_status: u64,
    /// Turns that are running.
    pub running: u64,
    /// Turns that were interrupted and have not gone on.
    pub interrupted: u64,
    /// Turns that left the record by a rewind, whether or not they had ended.
    pub rewound: u64,
}

/// The calls of one tool.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ToolCallStats {
    /// How often it was called, retries included.
    pub count: u64,
    /// How many of the calls ended in an error or a time-out.
    pub errors: u64,
    /// How many of these were time-outs.
    pub timeouts: u64,
    /// How many of the calls ended with a status that this version does not know, and without an error.
    pub unknown_status: u64,
    /// How many were interrupted and have not ended since.
    pub interrupted: u64,
    /// How many are running.
    pub running: u64,
    /// How long the calls took whose duration is known.
    pub durations: Durations,
}

/// The calls of one model.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ModelCallStats {
    /// How often it was called.
    pub count: u64,
    /// How many of the calls ended in an error or a time-out.
    pub errors: u64,
    /// How many of the calls ended with a status that this version does not know, and without an error.
    pub unknown_status: u64,
    /// What they used.
    pub spent: Spent,
    /// How long the calls took whose duration is known.
    pub durations: Durations,
}

/// What model calls used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// All tokens that went in, those read from the cache and written to it included.
    pub input_tokens: u64,
    /// Tokens that came out.
    pub output_tokens: u64,
    /// How many of them were read from the provider's cache.
    pub cache_read_input_tokens: u64,
    /// How many of them were written to the provider's cache.
    pub cache_write_input_tokens: u64,
    /// How many of those that came out were reasoning.
    pub reasoning_output_tokens: u64,
    /// Cost in millionths of a US dollar. If calls are unpriced, it is at least that.
    pub cost_usd_micros: i64,
    /// Calls whose cost, or a part of it, is not known.
    pub unpriced_calls: u64,
}

/// What came on one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayStats {
    /// Events of the sessions.
    pub events: u64,
    /// Turns that started, or came whole.
    pub turns: u64,
    /// Tool calls that ended, or came whole.
    pub tool_calls: u64,
    /// Model calls that ended.
    pub model_calls: u64,
    /// What these used.
    pub spent: Spent,
}

/// A day in UTC. Written as `2026-11-22`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i64);

const MICROS_A_DAY: i64 = 86_400_000_000;

/// The entries of one type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeStats {
    /// How many there are.
    pub count: u64,
    /// Bytes of their lines, line breaks included.
    pub bytes: u64,
}

/// Gaps, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapStats {
    /// Gaps that the log does not explain.
    pub damaged: u64,
    /// The bytes in them.
    pub damaged_bytes: u64,
    /// Gaps that the log itself accounts for.
    pub explained: u64,
}

impl Totals {
    /// Adds the totals of other sessions. Exact, and the same in any order and grouping.
    pub fn merge(&mut self, other: &Totals) {
        self.sessions += other.sessions;
        self.entries += other.entries;
        self.events += other.events;
        for time in [other.first_activity, other.last_activity].into_iter().flatten() {
            self.active_at(time);
        }
        self.active_micros = self.active_micros.saturating_add(other.active_micros);
        self.turns.merge(&other.turns);
        merge(&mut self.tool_calls, &other.tool_calls, ToolCallStats::merge);
        merge(&mut self.model_calls, &other.model_calls, ModelCallStats::merge);
        merge(&mut self.days, &other.days, DayStats::merge);
        self.text_bytes += other.text_bytes;
        self.unparsed += other.unparsed;
        self.undecodable += other.undecodable;
        merge(&mut self.types, &other.types, TypeStats::merge);
        merge(&mut self.anomalies, &other.anomalies, |ours, theirs| *ours += theirs);
        self.gaps.damaged += other.gaps.damaged;
        self.gaps.damaged_bytes = self.gaps.damaged_bytes.saturating_add(other.gaps.damaged_bytes);
        self.gaps.explained += other.gaps.explained;
        self.recoveries += other.recoveries;
    }

    pub(crate) fn active_at(&mut self, time: Timestamp) {
        self.first_activity = Some(self.first_activity.map_or(time, |first| first.min(time)));
        self.last_activity = self.last_activity.max(Some(time));
    }

    /// Counts as interrupted what runs in a journal that nobody is writing.
    pub fn interrupt(&mut self) {
        let turns = &mut self.turns;
        turns.interrupted += std::mem::take(&mut turns.running);
        for calls in self.tool_calls.values_mut() {
            calls.interrupted += std::mem::take(&mut calls.running);
        }
    }

    /// What all model calls used.
    pub fn spent(&self) -> Spent {
        let mut spent = Spent::default();
        self.model_calls.values().for_each(|calls| spent.merge(&calls.spent));
        spent
    }
}

fn merge<K: Ord + Clone, V: Default>(ours: &mut BTreeMap<K, V>, theirs: &BTreeMap<K, V>, add: impl Fn(&mut V, &V)) {
    for (key, value) in theirs {
        add(ours.entry(key.clone()).or_default(), value);
    }
}

impl TurnStats {
    fn merge(&mut self, other: &TurnStats) {
        self.started += other.started;
        self.ended += other.ended;
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.cancelled += other.cancelled;
        self.unknown_status += other.unknown_status;
        self.running += other.running;
        self.interrupted += other.interrupted;
        self.rewound += other.rewound;
    }
}

impl ToolCallStats {
    fn merge(&mut self, other: &ToolCallStats) {
        self.count += other.count;
        self.errors += other.errors;
        self.timeouts += other.timeouts;
        self.unknown_status += other.unknown_status;
        self.interrupted += other.interrupted;
        self.running += other.running;
        self.durations.merge(&other.durations);
    }
}

impl ModelCallStats {
    fn merge(&mut self, other: &ModelCallStats) {
        self.count += other.count;
        self.errors += other.errors;
        self.unknown_status += other.unknown_status;
        self.spent.merge(&other.spent);
        self.durations.merge(&other.durations);
    }
}

impl Spent {
    /// Adds what others used.
    pub fn merge(&mut self, other: &Spent) {
        let pairs = [
            (&mut self.input_tokens, other.input_tokens),
            (&mut self.output_tokens, other.output_tokens),
            (&mut self.cache_read_input_tokens, other.cache_read_input_tokens),
            (&mut self.cache_write_input_tokens, other.cache_write_input_tokens),
            (&mut self.reasoning_output_tokens, other.reasoning_output_tokens),
            (&mut self.unpriced_calls, other.unpriced_calls),
        ];
        for (sum, more) in pairs {
            *sum = sum.saturating_add(more);
        }
        self.cost_usd_micros = self.cost_usd_micros.saturating_add(other.cost_usd_micros);
    }

    /// Raises each number to the other's, where that is larger. Returns what that added.
    pub(crate) fn raise_to(&mut self, other: &Spent) -> Spent {
        let before = *self;
        *self = Spent {
            input_tokens: self.input_tokens.max(other.input_tokens),
            output_tokens: self.output_tokens.max(other.output_tokens),
            cache_read_input_tokens: self.cache_read_input_tokens.max(other.cache_read_input_tokens),
            cache_write_input_tokens: self.cache_write_input_tokens.max(other.cache_write_input_tokens),
            reasoning_output_tokens: self.reasoning_output_tokens.max(other.reasoning_output_tokens),
            cost_usd_micros: self.cost_usd_micros.max(other.cost_usd_micros),
            unpriced_calls: self.unpriced_calls.max(other.unpriced_calls),
        };
        Spent {
            input_tokens: self.input_tokens - before.input_tokens,
            output_tokens: self.output_tokens - before.output_tokens,
            cache_read_input_tokens: self.cache_read_input_tokens - before.cache_read_input_tokens,
            cache_write_input_tokens: self.cache_write_input_tokens - before.cache_write_input_tokens,
            reasoning_output_tokens: self.reasoning_output_tokens - before.reasoning_output_tokens,
            cost_usd_micros: self.cost_usd_micros.saturating_sub(before.cost_usd_micros),
            unpriced_calls: self.unpriced_calls - before.unpriced_calls,
        }
    }
}

impl DayStats {
    fn merge(&mut self, other: &DayStats) {
        self.events += other.events;
        self.turns += other.turns;
        self.tool_calls += other.tool_calls;
        self.model_calls += other.model_calls;
        self.spent.merge(&other.spent);
    }
}

impl TypeStats {
    fn merge(&mut self, other: &TypeStats) {
        self.count += other.count;
        self.bytes += other.bytes;
    }
}

impl Day {
    /// The day in which a point in time lies.
    pub fn of(time: Timestamp) -> Day {
        Day(time.micros().div_euclid(MICROS_A_DAY))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Timestamp::from_micros(self.0.saturating_mul(MICROS_A_DAY)).to_string();
        f.write_str(time.get(..10).unwrap_or_default())
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
