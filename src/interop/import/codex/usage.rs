//! What model calls used: from the totals that are counted up, and from the records of single responses.
//!
//! A file may hold both for the same call, in either order; each is counted once. Totals that stay the same mean that
//! there was no new call.

use crate::interop::import::hash;
use crate::json::members::Object;
use crate::model::event::Usage;
use std::collections::VecDeque;

/// How many usages are remembered that the other kind of record has not repeated yet.
const MOST_UNPAIRED: usize = 8;
/// How many responses are remembered, so that a record that comes again is not counted again.
const MOST_RESPONSES: usize = 1000;

/// What both kinds of records say of a call: its input, what of that was cached, and its output.
type Pair = (u64, u64, u64);

#[derive(Debug, Default)]
pub(super) struct Usages {
    /// The totals at the last count.
    total: Option<Usage>,
    /// Usages that only a count has named so far, and those that only a record has.
    by_count: VecDeque<Pair>,
    by_record: VecDeque<Pair>,
    /// By a hash of their ids.
    responses: VecDeque<u64>,
}

impl Usages {
    /// The usage that a `token_count` is the first to tell of.
    pub(super) fn count(&mut self, event: &Object<'_>) -> Option<Usage> {
        let info = event.object("info")?;
        let total = info.object("total_token_usage").as_ref().map(usage_of);
        let before = self.total;
        if total.is_some() {
            if total == before {
                return None;
            }
            self.total = total;
        }
        let last = info.object("last_token_usage").as_ref().map(usage_of);
        let usage = last.or_else(|| Some(less(total?, before.unwrap_or_default())))?;
        new(usage, &mut self.by_count, &mut self.by_record)
    }

    /// Takes note of a count that tells of somebody else's usage.
    pub(super) fn skip(&mut self, event: &Object<'_>) {
        let total = event.object("info").and_then(|info| Some(usage_of(&info.object("total_token_usage")?)));
        self.total = total.or(self.total);
    }

    /// The usage that a `token_usage_record` is the first to tell of.
    pub(super) fn record(&mut self, record: &Object<'_>) -> Option<Usage> {
        let usage = usage_of(&record.object("usage")?);
        if let Some(response) = record.text("response_id") {
            let response = hash(&response);
            if self.responses.contains(&response) {
                return None;
            }
            keep(&mut self.responses, response, MOST_RESPONSES);
        }
        new(usage, &mut self.by_record, &mut self.by_count)
    }
}

/// `input_tokens` counts what was read from the cache and written to it, as the log has it.
fn usage_of(told: &Object<'_>) -> Usage {
    Usage {
        input_tokens: told.u64("input_tokens"),
        output_tokens: told.u64("output_tokens"),
        cache_read_input_tokens: told.u64("cached_input_tokens").or_else(|| told.u64("cache_read_input_tokens")),
        cache_write_input_tokens: told.u64("cache_write_input_tokens"),
        reasoning_output_tokens: told.u64("reasoning_output_tokens"),
    }
}

/// By how much totals have grown. Smaller ones begin at zero again.
fn less(total: Usage, before: Usage) -> Usage {
    let fell = |now: Option<u64>, before: Option<u64>| now.unwrap_or(0) < before.unwrap_or(0);
    let before = match fell(total.input_tokens, before.input_tokens) || fell(total.output_tokens, before.output_tokens)
    {
        true => Usage::default(),
        false => before,
    };
    let less = |now: Option<u64>, before: Option<u64>| now.map(|now| now.saturating_sub(before.unwrap_or(0)));
    Usage {
        input_tokens: less(total.input_tokens, before.input_tokens),
        output_tokens: less(total.output_tokens, before.output_tokens),
        cache_read_input_tokens: less(total.cache_read_input_tokens, before.cache_read_input_tokens),
        cache_write_input_tokens: less(total.cache_write_input_tokens, before.cache_write_input_tokens),
        reasoning_output_tokens: less(total.reasoning_output_tokens, before.reasoning_output_tokens),
    }
}

fn keep<T>(kept: &mut VecDeque<T>, one: T, most: usize) {
    if kept.len() >= most {
        kept.pop_front();
    }
    kept.push_back(one);
}

/// A usage, unless the other kind of record has told of it before. Both come in the same order.
fn new(usage: Usage, ours: &mut VecDeque<Pair>, others: &mut VecDeque<Pair>) -> Option<Usage> {
    let count = |count: Option<u64>| count.unwrap_or(0);
    let pair = (count(usage.input_tokens), count(usage.cache_read_input_tokens), count(usage.output_tokens));
    if let Some(at) = others.iter().position(|other| *other == pair) {
        others.drain(..=at);
        return None;
    }
    keep(ours, pair, MOST_UNPAIRED);
    (usage != Usage::default()).then_some(usage)
}
