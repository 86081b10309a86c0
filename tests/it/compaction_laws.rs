//! The laws of compaction over random histories: rewinds, retries, interruptions, odd orders, crashes, recoveries.

use crate::compaction::{Stored, assert_only_whole_lines_went, session};
use crate::support::{Dice, Files, ID, Lab, entries_of, segments};
use foldlog::{
    CompactOptions, Custom, Draft, JournalOptions, Json, ModelCallEnded, ModelCallStarted, ReasoningDelta, Seq,
    SessionEnded, SessionFold, TextDelta, TimelineFold, TimelineKind, ToolCallEnded, ToolCallOutput, ToolCallStarted,
    TurnEnded, TurnStarted, TurnUpdated, TurnsRewound, UserMessage,
};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// A history as it is made: what has streamed since each start, so that ends can repeat it.
#[derive(Default)]
struct History {
    said: BTreeMap<(String, String), String>,
    pieces: usize,
    /// The model calls that are running.
    running: BTreeSet<(String, String)>,
}

impl History {
    /// A piece of text that stands nowhere else.
    fn piece(&mut self, key: (&str, &str), dice: &mut Dice) -> String {
        self.pieces += 1;
        let text = ["", "é\"\n", "🦀 ", "plain "][dice.below(4)].to_owned() + &format!("{} ", self.pieces);
        self.said.entry((key.0.to_owned(), key.1.to_owned())).or_default().push_str(&text);
        text
    }

    /// What has streamed, mostly; sometimes something else.
    fn repeat(&mut self, key: (&str, &str), dice: &mut Dice) -> Option<String> {
        let said = self.said.remove(&(key.0.to_owned(), key.1.to_owned()));
        self.pieces += 1;
        match dice.below(8) {
            0 => None,
            1 => Some(format!("other {}", self.pieces)),
            _ => said,
        }
    }

    /// Any event, or a stream with other things between its lines.
    fn events(&mut self, dice: &mut Dice) -> Vec<Draft> {
        let (turn, id) = (format!("t-{}", dice.below(3)), ["a", "b"][dice.below(2)]);
        // The numbers that `event` takes for a start, a piece and an end.
        let (start, piece, end) = match dice.below(5) {
            0 => (0, 6, 3),
            1 => (11, 13, 20),
            2 => (11, 18, 20),
            3 => (23, 26, 30),
            _ => return vec![self.any_event(dice)],
        };
        let mut events = vec![self.event(start, &turn, id, dice)];
        for _ in 0..=dice.below(4) {
            events.push(self.event(piece, &turn, id, dice));
            if dice.below(9) == 0 {
                events.push(self.any_event(dice));
            }
        }
        events.push(self.event(end, &turn, id, dice));
        events
    }

    fn any_event(&mut self, dice: &mut Dice) -> Draft {
        let (turn, id) = (format!("t-{}", dice.below(3)), ["a", "b"][dice.below(2)]);
        self.event(dice.below(40), &turn, id, dice)
    }

    fn event(&mut self, which: usize, turn: &str, id: &str, dice: &mut Dice) -> Draft {
        let (call, model, thought) = (format!("call {id}"), format!("model {id}"), format!("thought {id}"));
        let mut forget = |keys: &[&str]| {
            keys.iter().for_each(|key| drop(self.said.remove(&(turn.to_owned(), (*key).to_owned()))));
        };
        let draft = match which {
            0..3 => {
                forget(&["loose"]);
                TurnStarted::new(turn, "p").into()
            }
            3..6 => match self.repeat((turn, "loose"), dice) {
                Some(said) => TurnEnded::success(turn).response_content(said).into(),
                None => TurnEnded::success(turn).into(),
            },
            6..11 => TextDelta::new(turn, self.piece((turn, "loose"), dice)).into(),
            // A second start of a running one, or pieces before the start, leave open what its end repeats: tried elsewhere.
            11..13 if !self.running.insert((turn.to_owned(), id.to_owned())) => TurnUpdated::new(turn).into(),
            13..20 if !self.running.contains(&(turn.to_owned(), id.to_owned())) => TurnUpdated::new(turn).into(),
            11..13 => {
                forget(&[&model, &thought]);
                ModelCallStarted::new(turn, id).into()
            }
            13..18 => TextDelta::new(turn, self.piece((turn, &model), dice)).model_call_id(id).into(),
            18..20 => ReasoningDelta::new(turn, self.piece((turn, &thought), dice)).model_call_id(id).into(),
            20..23 => {
                self.running.remove(&(turn.to_owned(), id.to_owned()));
                let mut ended = ModelCallEnded::new(turn, id);
                ended.text = self.repeat((turn, &model), dice).map(Into::into);
                ended.reasoning = self.repeat((turn, &thought), dice).map(Into::into);
                if dice.below(6) == 0 { ended.error("broke").into() } else { ended.into() }
            }
            23..26 => {
                forget(&[&call]);
                ToolCallStarted::new(turn, id, "bash").into()
            }
            26..30 => ToolCallOutput::new(turn, id, self.piece((turn, &call), dice)).into(),
            30..34 => {
                let ended = ToolCallEnded::new(turn, id);
                let ended = if dice.below(5) == 0 { ended.error("failed") } else { ended };
                match self.repeat((turn, &call), dice) {
                    Some(said) => ended.result(Json::string(&said)).into(),
                    None => ended.into(),
                }
            }
            34 => TurnUpdated::new(turn).into(),
            35 => TurnsRewound::new(turn).into(),
            36 => SessionEnded::new().into(),
            37 => Custom::new("n", Json::parse("[1e400, {\"seq\":1}]").unwrap()).into(),
            38 => UserMessage::new(turn, "And more").into(),
            _ => Draft::from_json("acme.mood", "{\"b\":1,  \"a\":1}").unwrap(),
        };
        if dice.below(20) == 0 { draft.id(format!("k-{}", self.pieces)) } else { draft }
    }
}

/// A journal of several openings: closed, dropped, or left with a torn end.
pub fn random_journal(dice: &mut Dice) -> Lab {
    let lab = Lab::new();
    let mut history = History::default();
    for _ in 0..=dice.below(5) {
        let options = JournalOptions::default().segment_bytes([500, 1_500, 6_000][dice.below(3)] as u64);
        let journal = lab.store.journal_with(ID, options).unwrap();
        for _ in 0..dice.below(25) {
            for event in history.events(dice) {
                journal.push(event).unwrap();
            }
        }
        journal.sync().unwrap().wait().unwrap();
        if dice.below(3) > 0 {
            journal.close().wait().unwrap();
            continue;
        }
        drop(journal);
        if dice.below(2) == 0 {
            let mut files = lab.files();
            if let Some(newest) = segments(&files).pop() {
                files.get_mut(&newest).unwrap().extend_from_slice(b"{\"seq\":77,\"synced\":1");
                lab.put(&files);
            }
        }
    }
    lab.append_one();
    lab
}

/// What every turn says, piece by piece: the order of pieces that were streamed side by side is not kept.
fn pieces(lab: &Lab) -> BTreeMap<String, Vec<String>> {
    let (timeline, _) = lab.store.reader(ID).unwrap().reduce(TimelineFold::default()).unwrap();
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let says = |kind| matches!(kind, TimelineKind::Text | TimelineKind::Reasoning);
    for item in timeline.items.into_iter().filter(|item| says(item.kind)) {
        let words = item.title.split(' ').filter(|word| !word.is_empty()).map(str::to_owned);
        texts.entry(item.turn_id.unwrap_or_default()).or_default().extend(words);
    }
    texts.values_mut().for_each(|words| words.sort());
    texts
}

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    data: Names,
}

#[derive(Deserialize)]
struct Names {
    turn_id: Option<String>,
    call_id: Option<String>,
    model_call_id: Option<String>,
}

/// For each line that went: the number of the event that repeats it, which is the next end of its stream.
fn streams_that_went(before: &Files, after: &Files) -> Vec<(u64, u64)> {
    let (was, is) = (entries_of(before), entries_of(after));
    // Not as a tree: one of the events has a number that is too great for it.
    let decode = |line: &[u8]| serde_json::from_slice::<Line>(line).unwrap();
    let mut spans = Vec::new();
    for (seq, line) in was.iter().filter(|(seq, _)| !is.contains_key(seq)) {
        let Line { kind, data: went } = decode(line);
        let ending = match kind.as_str() {
            "tool_call_output" => "tool_call_ended",
            _ if went.model_call_id.is_none() => "turn_ended",
            _ => "model_call_ended",
        };
        let ends = |line: &[u8]| {
            let Line { kind, data } = decode(line);
            let same = match ending {
                "tool_call_ended" => data.call_id == went.call_id,
                "model_call_ended" => data.model_call_id == went.model_call_id,
                _ => true,
            };
            kind == ending && data.turn_id == went.turn_id && same
        };
        let (end, _) = was.range(seq..).find(|(_, line)| ends(line)).expect("no end repeats it");
        spans.push((*seq, *end));
    }
    spans
}

/// Goal: whatever the history, the same fold, at every place that does not point into what went. Method: many of them.
#[test]
fn the_laws_hold_over_random_histories() {
    let base = Dice::new("laws of compaction").below(1 << 30) as u64;
    let (mut lines, mut gone, mut merged) = (0, 0, 0);
    for round in 0..100 {
        let what = format!("seed {base}, round {round}");
        let dice = &mut Dice::seeded(base + round);
        let lab = random_journal(dice);
        let original = lab.files();
        let (before, said) = (session(&lab.store), pieces(&lab));
        let options = CompactOptions::default().segment_bytes([1, 3_000, 20_000][dice.below(3)] as u64);
        let report = lab.store.compact_with(ID, &options, &mut |_| {}).unwrap();
        assert!(!report.met_damage(), "{what}: {report:?}");
        assert!(report.left_alone.iter().all(|left| !left.why.contains("fold")), "{what}: {report:?}");
        let after = lab.files();
        assert_only_whole_lines_went(&original, &after);
        assert_eq!(session(&lab.store), before, "{what}");
        assert_eq!(pieces(&lab), said, "{what}");
        assert!(lab.read().is_clean(), "{what}: {:?}", lab.read().gaps);
        let untouched = Lab::with(&original);
        fold_the_same_at_every_place(&untouched, &lab, &what);
        goes_on_from_anywhere(&untouched, &lab, dice, &what);
        lab.store.compact_with(ID, &options, &mut |_| {}).unwrap();
        for name in segments(&after) {
            assert_eq!(lab.files()[&name], after[&name], "{what}: compacting twice changes nothing");
        }
        assert_eq!(segments(&lab.files()), segments(&after), "{what}");
        let last = lab.read().seqs().pop().unwrap();
        let ids = |lab: &Lab| lab.open().last_id().map(str::to_owned);
        assert_eq!(ids(&lab), ids(&untouched), "{what}");
        assert_eq!(lab.append_one(), last + 1, "{what}");
        assert!(lab.read().is_clean(), "{what}");
        lines += report.before.lines;
        gone += report.before.lines - report.after.lines;
        merged += report.merged.len();
    }
    println!("{lines} lines, {gone} of them dropped, {merged} merges");
    assert!(gone * 20 > lines && merged > 20, "the histories have too little to compact");
}

fn fold_the_same_at_every_place(original: &Lab, compacted: &Lab, what: &str) {
    let went = streams_that_went(&original.files(), &compacted.files());
    let into_what_went = |seq: u64| went.iter().any(|(first, end)| (*first..*end).contains(&seq));
    let fold = |lab: &Lab, seq| {
        let reader = lab.store.reader(ID).unwrap();
        reader.reduce_to(Seq::new(seq), SessionFold::default()).unwrap().0
    };
    for seq in entries_of(&original.files()).into_keys().filter(|seq| seq % 5 == 0 && !into_what_went(*seq)) {
        assert_eq!(fold(compacted, seq), fold(original, seq), "{what}: at {seq}");
    }
}

fn goes_on_from_anywhere(original: &Lab, compacted: &Lab, dice: &mut Dice, what: &str) {
    let whole = session(&original.store);
    let seqs: Vec<u64> = entries_of(&original.files()).into_keys().collect();
    for _ in 0..8 {
        let upto = seqs[dice.below(seqs.len())];
        let stored = Stored { fold: SessionFold::default(), upto };
        let (fold, _) = original.store.reader(ID).unwrap().reduce(stored).unwrap();
        let (fold, _) = compacted.store.reader(ID).unwrap().reduce(Stored { fold, upto: u64::MAX }).unwrap();
        assert_eq!(foldlog::Reducer::finish(fold), whole, "{what}: stored at {upto}");
    }
}
