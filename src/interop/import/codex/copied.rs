//! The parent's history at the beginning of a fork: not the fork's own work, though it looks like it.
//!
//! A fork or a sub-agent's rollout may begin with a copy of what its parent had, with the old times or with that of the
//! copying. Where records are numbered, the header says at which number the own ones begin. Else the copies are told by
//! their times: they are written in one go right after the header, and no model answers that quickly.

use crate::json::members::Object;
use crate::model::time::Timestamp;
use std::collections::HashSet;
use std::time::Duration;

/// A record that comes so much later than the copies before it is no copy.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug, Default)]
pub(super) struct Copied {
    /// The header says, or another header shows, that history may follow.
    may_follow: bool,
    /// The number of the first own record.
    first_own: Option<u64>,
    /// The latest time of the header and the copies.
    until: Option<Timestamp>,
    /// Own work has begun.
    is_over: bool,
    /// Calls that started in the copies: an output that comes later is not of a call of this session.
    calls: HashSet<String>,
}

impl Copied {
    /// Learns from the file's own header.
    pub(super) fn header(&mut self, meta: &Object<'_>, time: Option<Timestamp>) {
        let number = |key: &str| {
            // Some versions write the number as a string.
            meta.u64(key).or_else(|| meta.text(key)?.parse().ok())
        };
        self.first_own = number("subagent_history_start_ordinal").or_else(|| number("forked_from_ordinal_exclusive"));
        self.may_follow = meta.some("forked_from_id").is_some() || self.first_own.is_some();
        self.until = time;
    }

    /// Another header has come: the parent's.
    pub(super) fn other_header(&mut self, time: Option<Timestamp>) {
        if !self.is_over {
            self.may_follow = true;
            self.until = self.until.max(time);
        }
    }

    /// Whether a record is a copy.
    pub(super) fn is_copy(&mut self, line: &Object<'_>, time: Option<Timestamp>) -> bool {
        if self.is_over {
            return false;
        }
        let is_copy = self.may_follow
            && match (self.first_own, line.u64("ordinal")) {
                (Some(first), Some(ordinal)) => ordinal < first,
                _ => match (self.until, time) {
                    (Some(until), Some(time)) => time <= until || time.since(until) < PAUSE,
                    _ => false,
                },
            };
        self.is_over = !is_copy;
        self.until = if is_copy { self.until.max(time) } else { None };
        is_copy
    }

    pub(super) fn call(&mut self, call_id: String) {
        self.calls.insert(call_id);
    }

    /// Whether a call started in a copy.
    pub(super) fn has_call(&self, call_id: &str) -> bool {
        self.calls.contains(call_id)
    }
}
