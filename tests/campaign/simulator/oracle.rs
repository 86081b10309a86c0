//! What must be so after every crash and every recovery.

use super::knowledge::Knowledge;
use foldlog::{Entry, Event, Gap, Item, Reducer, SessionFold, Store};
use std::collections::BTreeMap;
use std::sync::Arc;

pub const ID: &str = "s-1";

pub fn expect(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// What a reader makes of the journal.
#[derive(Debug, Default)]
pub struct Reading {
    pub entries: BTreeMap<u64, Arc<Entry<'static>>>,
    pub gaps: Vec<Gap>,
    /// The numbers for which the log accounts.
    reported: Vec<(u64, u64)>,
}

impl Reading {
    /// Nothing, if there is no session.
    pub fn of(store: &Store) -> Result<Reading, String> {
        let mut reading = Reading::default();
        let Ok(reader) = store.reader(ID) else { return Ok(reading) };
        let mut items = reader.items().map_err(|error| format!("reading: {error}"))?;
        while let Some(item) = items.next().map_err(|error| format!("reading: {error}"))? {
            match item {
                Item::Entry(entry) => {
                    let seq = entry.seq().get();
                    let last = reading.entries.last_key_value().map_or(0, |(last, _)| *last);
                    expect(seq > last, || format!("entry {seq} was given after entry {last}"))?;
                    reading.reported.extend(holes(&entry));
                    reading.entries.insert(seq, Arc::new(entry.into_owned()));
                }
                Item::Gap(gap) => reading.gaps.push(gap),
                other => return Err(format!("a reader gave {other:?}")),
            }
        }
        Ok(reading)
    }

    /// Everything promised is there, and nothing is there that was not appended.
    pub fn check(&self, known: &Knowledge) -> Result<(), String> {
        for (seq, data) in known.synced.iter().chain(&known.written) {
            let there = self.entries.get(seq).is_some_and(|entry| entry.data() == &**data);
            expect(there || self.is_compacted_away(*seq, known), || {
                format!("{seq} was acknowledged and is {:?}; gaps: {:?}", self.entries.get(seq), self.gaps)
            })?;
        }
        for (seq, entry) in &self.entries {
            let submitted = known.submitted.get(seq).into_iter().flatten().any(|data| **data == *entry.data());
            expect(submitted || entry.is_recorders_own(), || format!("{seq} was never appended: {}", entry.line()))?;
        }
        for gap in &self.gaps {
            expect(known.lied_to || gap.acknowledged != Some(true), || format!("a false alarm: {gap:?}"))?;
            let claimed = |seq: &&u64| within(gap, **seq);
            let there = self.entries.keys().find(claimed);
            expect(there.is_none(), || format!("{there:?} is there, and lies within {gap:?}"))?;
        }
        Ok(())
    }

    /// Once the journal has been opened for writing, and written to: whatever is missing is accounted for in the log.
    pub fn check_explained(&self, known: &Knowledge) -> Result<(), String> {
        let last = self.entries.last_key_value().map_or(0, |(last, _)| *last);
        for seq in (1..last).filter(|seq| !self.entries.contains_key(seq)) {
            // In a compacted segment a hole is no gap; what accounts for it is still there.
            let told = self.gaps.iter().any(|gap| within(gap, seq)) || self.is_reported(seq);
            expect(told || self.is_compacted_away(seq, known), || {
                format!("{seq} is missing in silence: {:?}", self.gaps)
            })?;
        }
        let unexplained = self.gaps.iter().find(|gap| !gap.explained);
        expect(known.lied_to || unexplained.is_none(), || format!("the log does not account for {unexplained:?}"))
    }

    fn is_reported(&self, seq: u64) -> bool {
        self.reported.iter().any(|(first, last)| (*first..=*last).contains(&seq))
    }

    /// Whether it is a piece of streaming that was there when something was compacted, and neither a gap nor the log
    /// claims it: what was not synced by then may have been lost all the same.
    pub fn is_compacted_away(&self, seq: u64, known: &Knowledge) -> bool {
        let is_streaming = |entry: &Arc<Entry<'static>>| matches!(entry.type_name(), "text_delta" | "tool_call_output");
        known.compacted.get(&seq).is_some_and(is_streaming)
            && !self.entries.contains_key(&seq)
            && !self.gaps.iter().any(|gap| within(gap, seq))
            && !self.is_reported(seq)
    }

    /// Every number of which that is so.
    pub fn compacted_away(&self, known: &Knowledge) -> impl Iterator<Item = u64> {
        known.compacted.keys().copied().filter(|seq| self.is_compacted_away(*seq, known))
    }

    /// Whether it lies within a gap for which nothing accounts: that is told as damage, whatever may be known of whether it
    /// had been acknowledged.
    pub fn is_damaged(&self, seq: u64) -> bool {
        self.gaps.iter().any(|gap| within(gap, seq) && !gap.explained)
    }

    /// The session folds into what all of its entries fold into, also those that were compacted away; and each turn that
    /// has ended has answered what its author wrote.
    pub fn check_fold(&self, store: &Store, known: &Knowledge) -> Result<(), String> {
        let last = self.entries.last_key_value().map_or(0, |(last, _)| *last);
        let away = known.compacted.iter().filter(|(seq, _)| **seq < last && self.is_compacted_away(**seq, known));
        let mut all: BTreeMap<u64, &Arc<Entry<'static>>> = away.map(|(seq, entry)| (*seq, entry)).collect();
        all.extend(self.entries.iter().map(|(seq, entry)| (*seq, entry)));
        let mut fold = SessionFold::new();
        all.values().for_each(|entry| fold.entry(entry));
        let expected = fold.finish().record.turns;
        let folded = store.reader(ID).and_then(|reader| reader.fold()).map_err(|error| format!("folding: {error}"))?;
        expect(folded.turns == expected, || format!("it folds into {:#?}\nand not into {expected:#?}", folded.turns))?;
        for entry in self.entries.values().filter(|entry| entry.type_name() == "turn_ended") {
            let turn = folded.turns.iter().find(|turn| entry.data().contains(&format!("\"{}\"", turn.turn_id)));
            let answer = turn.and_then(|turn| known.author.answers.get(&turn.turn_id));
            let matches = turn.zip(answer).is_some_and(|(turn, (text, output))| {
                let returned = |call: &foldlog::ToolCallRecord| {
                    call.result.as_str() == format!("{output:?}") || call.status.as_str() != "success"
                };
                turn.response_content.as_deref() == Some(text) && turn.tool_calls.iter().all(returned)
            });
            expect(matches, || format!("a turn that was to answer {answer:?} is {turn:?}"))?;
        }
        Ok(())
    }
}

/// The numbers that an entry of the recorder accounts for.
fn holes(entry: &Entry<'_>) -> Vec<(u64, u64)> {
    match entry.is_recorders_own().then(|| entry.event()) {
        Some(Ok(Event::JournalRecovered(report))) => {
            report.holes.iter().map(|hole| (hole.first_seq, hole.last_seq)).collect()
        }
        Some(Ok(Event::EventsLost(lost))) => vec![(lost.first_seq, lost.last_seq)],
        _ => Vec::new(),
    }
}

fn within(gap: &Gap, seq: u64) -> bool {
    gap.first_seq.is_some_and(|first| first.get() <= seq) && gap.last_seq.is_some_and(|last| seq <= last.get())
}
