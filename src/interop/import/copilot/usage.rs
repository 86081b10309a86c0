//! What the models of a session used: messages say what they put out, and only the end of a run says what went in.
//!
//! Each `session.shutdown` has totals by model. A run that is resumed counts from zero again, so the totals of its
//! shutdowns add up; two shutdowns of one run tell of the same run, and only the difference is new. Where the second
//! total holds what the messages before it put out too, it was counted on, and the difference is new as well.

use crate::json::members::Object;
use crate::model::event::Usage;
use std::collections::HashMap;

/// What a model used, as far as a shutdown knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    input: u64,
    output: u64,
    cache_read: u64,
    cache_write: u64,
    reasoning: u64,
}

#[derive(Debug, Default)]
struct Model {
    /// The totals of the last shutdown.
    last: Sums,
    /// They are of a run before this one.
    is_resumed: bool,
    /// What messages put out: in this run, and in those before it.
    said: u64,
    said_before: u64,
    /// How much of `said` shutdowns of this run have repeated.
    repeated: u64,
}

#[derive(Debug, Default)]
pub(super) struct Usages(HashMap<String, Model>);

impl Usages {
    /// A message says how much its model put out.
    pub(super) fn said(&mut self, model: &str, tokens: u64) {
        let model = self.0.entry(model.to_owned()).or_default();
        model.said = model.said.saturating_add(tokens);
    }

    /// A run begins.
    pub(super) fn resume(&mut self) {
        for model in self.0.values_mut() {
            model.is_resumed |= model.last != Sums::default();
            model.said_before = model.said_before.saturating_add(std::mem::take(&mut model.said));
            model.repeated = 0;
        }
    }

    /// What a shutdown is the first to tell of a model: all that went in, and what came out beside the messages.
    pub(super) fn shutdown(&mut self, name: &str, metrics: &Object<'_>) -> Option<Usage> {
        let usage = metrics.object("usage")?;
        let model = self.0.entry(name.to_owned()).or_default();
        let now = Sums::of(&usage);
        let goes_on = now.holds(&model.last) && (!model.is_resumed || model.output_goes_on(now.output));
        let before = if goes_on { model.last } else { Sums::default() };
        // Where a resumed run counts on, its total repeats what was said before, too; that was in the total before.
        let output = now.output.saturating_sub(before.output).saturating_sub(model.said.saturating_sub(model.repeated));
        model.repeated = model.said;
        (model.last, model.is_resumed) = (now, false);
        let known = |key: &str, count: u64, before: u64| usage.u64(key).map(|_| count.saturating_sub(before));
        let used = Usage {
            input_tokens: known("inputTokens", now.input, before.input),
            output_tokens: Some(output).filter(|output| *output > 0),
            cache_read_input_tokens: known("cacheReadTokens", now.cache_read, before.cache_read),
            cache_write_input_tokens: known("cacheWriteTokens", now.cache_write, before.cache_write),
            reasoning_output_tokens: known("reasoningTokens", now.reasoning, before.reasoning),
        };
        let counts = [used.input_tokens, used.output_tokens, used.reasoning_output_tokens];
        counts.into_iter().flatten().any(|count| count > 0).then_some(used)
    }
}

impl Sums {
    fn of(usage: &Object<'_>) -> Sums {
        let count = |key: &str| usage.u64(key).unwrap_or(0);
        let [mut input, cache_read, cache_write] = ["inputTokens", "cacheReadTokens", "cacheWriteTokens"].map(count);
        let cached = cache_read.saturating_add(cache_write);
        if input < cached {
            input = input.saturating_add(cached); // it cannot hold them: they are counted beside it
        }
        Sums { input, output: count("outputTokens"), cache_read, cache_write, reasoning: count("reasoningTokens") }
    }

    /// Whether these totals may be `earlier` ones, counted on.
    fn holds(&self, earlier: &Sums) -> bool {
        self.input >= earlier.input && self.output >= earlier.output && self.cache_read >= earlier.cache_read
    }
}

impl Model {
    /// Whether an output is nearer to what was said in all runs than to what was said in this one.
    fn output_goes_on(&self, output: u64) -> bool {
        let all = self.said.saturating_add(self.said_before);
        self.said_before > 0 && output.abs_diff(all) < output.abs_diff(self.said)
    }
}
