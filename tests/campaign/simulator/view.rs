//! What a follower has been told, and whether that is what is so.

use super::oracle::{Reading, expect};
use foldlog::{Cursor, Follower, Item};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a follower may take to say something.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long it may take to make up its mind about bad lines at the end, if it looks all the time.
const UNSETTLED: Duration = Duration::from_millis(300);

/// The notes of a follower that resumes from a stored cursor, reads to the end, and leaves again.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// As it is stored: as JSON.
    cursor: Option<Arc<str>>,
    seen: BTreeMap<u64, Arc<str>>,
    /// What had been compacted away when it came to it. A power cut may bring that back, if the process that compacted was
    /// killed before the compaction was durable; a follower that has passed it goes on without.
    passed: BTreeSet<u64>,
}

impl View {
    /// Where it goes on.
    pub fn cursor(&self) -> Cursor {
        self.cursor.as_ref().map_or(Cursor::start(), |cursor| serde_json::from_str(cursor).unwrap())
    }

    /// Notes all that there is to be said now.
    pub fn follow(&mut self, follower: &mut Follower) -> Result<(), String> {
        while !self.note(follower, PATIENCE)? {}
        self.store(follower);
        Ok(())
    }

    /// The same, until it shows what a reader reads. What stands unsettled at the end takes a follower a second look.
    pub fn follow_to(
        &mut self,
        mut follower: Follower,
        reading: &Reading,
        may_be_gone: impl Fn(u64) -> bool,
    ) -> Result<(), String> {
        self.follow(&mut follower)?;
        let mut checked = self.check(reading, &may_be_gone);
        if checked.is_err() {
            follower = follower.poll_every(Duration::ZERO);
            let give_up = Instant::now() + UNSETTLED;
            while checked.is_err() && Instant::now() < give_up {
                self.note(&mut follower, UNSETTLED)?;
                checked = self.check(reading, &may_be_gone);
            }
        }
        self.store(&follower);
        checked
    }

    /// Of what was compacted away by now, notes what it has passed.
    pub fn pass(&mut self, compacted_away: impl Iterator<Item = u64>) {
        let last = self.seen.last_key_value().map_or(0, |(last, _)| *last);
        self.passed.extend(compacted_away.filter(|seq| *seq < last));
    }

    fn store(&mut self, follower: &Follower) {
        self.cursor = Some(serde_json::to_string(&follower.cursor()).unwrap().into());
    }

    /// Notes the next item; `true` if there is no more to be said now.
    fn note(&mut self, follower: &mut Follower, patience: Duration) -> Result<bool, String> {
        let Some(item) = follower.next_timeout(patience) else { return Ok(true) };
        match item.map_err(|error| format!("the follower: {error}"))? {
            Item::Entry(entry) => {
                let seq = entry.seq().get();
                let last = self.seen.last_key_value().map_or(0, |(last, _)| *last);
                expect(seq > last, || format!("the follower was given {seq} after {last}"))?;
                self.seen.insert(seq, entry.line().into());
            }
            Item::Rewound(seq) => self.forget_behind(seq.get()),
            Item::Replaced => self.forget_behind(0),
            Item::CaughtUp => return Ok(true),
            _ => {}
        }
        Ok(false)
    }

    fn forget_behind(&mut self, seq: u64) {
        self.seen.split_off(&(seq + 1));
        self.passed.split_off(&(seq + 1));
    }

    /// It shows what a reader reads; what was compacted away since may be there besides.
    fn check(&self, reading: &Reading, may_be_gone: &impl Fn(u64) -> bool) -> Result<(), String> {
        for (seq, entry) in &reading.entries {
            let passed = !self.seen.contains_key(seq) && self.passed.contains(seq);
            expect(passed || self.seen.get(seq).is_some_and(|seen| **seen == *entry.line()), || {
                let (seen, gaps) = (self.seen.keys(), &reading.gaps);
                format!("a reader reads {seq} as {}, the follower has seen {seen:?}; gaps: {gaps:?}", entry.line())
            })?;
        }
        let taken = self.seen.keys().find(|seq| !reading.entries.contains_key(seq) && !may_be_gone(**seq));
        expect(taken.is_none(), || {
            let (seen, read, gaps) = (self.seen.keys(), reading.entries.keys(), &reading.gaps);
            format!("{taken:?} is gone, and the follower was not told; it has {seen:?}, a reader {read:?} and {gaps:?}")
        })
    }
}
