//! What model calls have used so far, as headers and `journal_closed` say it, and where a forked journal comes from.

use super::Usage;
use crate::json::object::only_from_objects;
use crate::model::seq::Seq;
use serde::{Deserialize, Serialize};

/// Sums over every `model_call_ended` so far, rewound turns included. What none of them said is absent.
///
/// A second end of the same call counts again, since telling that would need the ids of all calls: where it matters,
/// [`SummaryFold`](crate::SummaryFold) is right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
#[non_exhaustive]
pub struct Spending {
    /// How many ends of model calls there were.
    pub calls: u64,
    /// How many of them said no cost. If there are any, the cost is "at least".
    #[serde(default)]
    pub unpriced_calls: u64,
    /// All tokens that went in, those read from the cache and written to it included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Tokens that came out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// How many of those that went in were read from the provider's cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read_input_tokens: Option<u64>,
    /// How many of those that went in were written to the provider's cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_input_tokens: Option<u64>,
    /// How many of those that came out were reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_output_tokens: Option<u64>,
    /// Cost in millionths of a US dollar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd_micros: Option<i64>,
}

only_from_objects!(Spending, Fork);

/// The largest number in a header, 2^53-1: sums stop there.
const MOST: u64 = Seq::MAX.get();

impl Spending {
    /// Adds a call that ended.
    pub(crate) fn add(&mut self, usage: &Usage, cost_usd_micros: Option<i64>) {
        let count = |sum: &mut u64| *sum = sum.saturating_add(1).min(MOST);
        count(&mut self.calls);
        let pairs = [
            (&mut self.input_tokens, usage.input_tokens),
            (&mut self.output_tokens, usage.output_tokens),
            (&mut self.cache_read_input_tokens, usage.cache_read_input_tokens),
            (&mut self.cache_write_input_tokens, usage.cache_write_input_tokens),
            (&mut self.reasoning_output_tokens, usage.reasoning_output_tokens),
        ];
        for (sum, more) in pairs {
            if let Some(more) = more {
                *sum = Some(sum.unwrap_or(0).saturating_add(more).min(MOST));
            }
        }
        match cost_usd_micros {
            Some(more) => {
                let most = MOST as i64;
                let sum = self.cost_usd_micros.unwrap_or(0).saturating_add(more).clamp(-most, most);
                self.cost_usd_micros = Some(sum);
            }
            None => count(&mut self.unpriced_calls),
        }
    }

    /// Nothing, if no call has ended: then the member is absent.
    pub(crate) fn said(self) -> Option<Spending> {
        (self.calls > 0).then_some(self)
    }

    /// Every number in it, without its sign.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u64> {
        let tokens = [
            self.input_tokens,
            self.output_tokens,
            self.cache_read_input_tokens,
            self.cache_write_input_tokens,
            self.reasoning_output_tokens,
            self.cost_usd_micros.map(i64::unsigned_abs),
        ];
        [self.calls, self.unpriced_calls].into_iter().chain(tokens.into_iter().flatten())
    }
}

/// From where a forked journal goes on. In every segment of the fork, also of later openings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub(crate) struct Fork {
    /// The original's journal, session and epoch.
    pub(crate) journal: String,
    pub(crate) session_id: String,
    pub(crate) epoch_id: String,
    /// Its last entry that belongs to the fork too.
    pub(crate) seq: u64,
    /// The turn of that entry.
    #[serde(default)]
    pub(crate) turn_id: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact_and_stop_at_the_largest_number_of_a_header() {
        let mut spent = Spending::default();
        assert_eq!(spent.said(), None);
        spent.add(&Usage { input_tokens: Some(5), ..Usage::default() }, Some(7));
        spent.add(&Usage { output_tokens: Some(0), ..Usage::default() }, None);
        let json = serde_json::to_string(&spent).expect("numbers");
        assert_eq!(json, r#"{"calls":2,"unpriced_calls":1,"input_tokens":5,"output_tokens":0,"cost_usd_micros":7}"#);
        spent.add(&Usage { input_tokens: Some(u64::MAX), ..Usage::default() }, Some(i64::MAX));
        assert!(spent.numbers().all(|number| number <= MOST));
        assert_eq!((spent.input_tokens, spent.cost_usd_micros), (Some(MOST), Some(MOST as i64)));
    }
}
