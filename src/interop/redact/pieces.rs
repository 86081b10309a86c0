//! Secrets that streamed in, in pieces: no piece shows them, and the fold would put them together again.
//!
//! A pass over the entries joins what belongs together and finds which parts of which pieces have to go.

use super::secrets;
use crate::fold::Reducer;
use crate::model::entry::Entry;
use crate::model::event::Event;
use std::collections::{HashMap, VecDeque};
use std::ops::Range;

/// How much of a stream is held back, since a secret may go on beyond what has come.
const HELD_BACK: usize = 16 << 10;
/// How much of what was settled stays before what was not: some secrets are known only by what stands before them.
const BEFORE: usize = 4 << 10;
/// How much of a stream is gathered before it is looked at.
const GATHERED: usize = 64 << 10;
/// A stream that holds back more than this does not hold one secret.
const LONGEST: usize = 1 << 20;

/// A part of a piece that has to go.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Edit {
    pub(super) range: Range<usize>,
    /// What stands in its place, in the first piece of a secret.
    pub(super) kind: Option<&'static str>,
}

/// What has to go, by the number of the entry.
pub(crate) type Edits = HashMap<u64, Vec<Edit>>;

/// What makes the pieces of a turn belong together: what they are, their call.
type Key = (&'static str, Option<String>);

/// Finds the secrets that no single piece shows: those that are cut, and those whose name came in an earlier piece.
#[derive(Clone, Debug, Default)]
pub(crate) struct PiecesFold {
    /// By turn, so that the end of a turn costs no look at the streams of others.
    turns: HashMap<String, HashMap<Key, Stream>>,
    edits: Edits,
}

impl PiecesFold {
    fn piece(&mut self, entry: &Entry<'_>, what: &'static str, turn: &str, call: Option<&str>, text: &str) {
        if text.is_empty() {
            return;
        }
        let streams = match self.turns.get_mut(turn) {
            Some(streams) => streams,
            None => self.turns.entry(turn.to_owned()).or_default(),
        };
        let stream = streams.entry((what, call.map(str::to_owned))).or_default();
        stream.push(entry.seq().get(), text);
        if stream.text.len() > stream.rest.saturating_mul(2).max(GATHERED) {
            stream.settle(&mut self.edits, stream.text.len() <= LONGEST);
        }
    }

    /// Nothing more is expected in the streams of a turn.
    fn end(&mut self, turn: &str) {
        for stream in self.turns.remove(turn).unwrap_or_default().values_mut() {
            stream.settle(&mut self.edits, false);
        }
    }
}

impl Reducer for PiecesFold {
    type Output = Edits;

    fn entry(&mut self, entry: &Entry<'_>) {
        let of_interest = matches!(
            entry.type_name(),
            "text_delta" | "reasoning_delta" | "tool_call_output" | "turn_ended" | "turn_recorded"
        );
        if !of_interest {
            return;
        }
        match entry.event() {
            Ok(Event::TextDelta(delta)) => {
                self.piece(entry, "text", &delta.turn_id, delta.model_call_id.as_deref(), &delta.text);
            }
            Ok(Event::ReasoningDelta(delta)) => {
                self.piece(entry, "reasoning", &delta.turn_id, delta.model_call_id.as_deref(), &delta.text);
            }
            Ok(Event::ToolCallOutput(output)) => {
                self.piece(entry, "output", &output.turn_id, Some(&output.call_id), &output.text);
            }
            Ok(Event::TurnEnded(ended)) => self.end(&ended.turn_id),
            Ok(Event::TurnRecorded(recorded)) => self.end(&recorded.turn.turn_id),
            _ => {}
        }
    }

    fn finish(mut self) -> Edits {
        for stream in self.turns.values_mut().flat_map(HashMap::values_mut) {
            stream.settle(&mut self.edits, false);
        }
        self.edits
    }
}

/// What came of one stream and has not been settled.
#[derive(Clone, Debug, Default)]
struct Stream {
    text: String,
    /// The entries that brought it, and where in `text` each begins; what was settled is before the beginning.
    pieces: VecDeque<(u64, i64)>,
    /// How much of `text` has been settled, and stands there for what follows it.
    settled: usize,
    /// How much the last look left: the next one waits for as much again, or one long secret in small pieces would be
    /// looked at once a piece.
    rest: usize,
}

impl Stream {
    fn push(&mut self, seq: u64, text: &str) {
        self.pieces.push_back((seq, self.text.len() as i64));
        self.text.push_str(text);
    }

    /// Finds what has come together, and forgets it. `goes_on`: the end is held back.
    fn settle(&mut self, edits: &mut Edits, goes_on: bool) {
        let mut keep = self.text.len();
        if goes_on {
            keep = self.text.floor_char_boundary(keep.saturating_sub(HELD_BACK));
        }
        let mut cut = keep;
        for found in secrets::find(self.text.as_bytes()) {
            if found.range.start < self.settled {
                continue;
            }
            if found.range.end > keep {
                cut = cut.min(found.begin); // it may yet go on, and without its name nothing would show it
                break;
            }
            self.edit(edits, &found.range, found.kind);
            self.settled = found.range.end;
        }
        if goes_on {
            cut = self.text.floor_char_boundary(cut.saturating_sub(BEFORE));
        }
        self.settled = self.settled.saturating_sub(cut);
        self.text.drain(..cut);
        self.rest = self.text.len();
        self.pieces.iter_mut().for_each(|(_, start)| *start -= cut as i64);
        // The piece that the rest begins in stays.
        while self.pieces.get(1).is_some_and(|(_, start)| *start <= 0) {
            self.pieces.pop_front();
        }
    }

    /// Cuts a secret out of the pieces that hold it.
    fn edit(&self, edits: &mut Edits, range: &Range<usize>, kind: &'static str) {
        let (from, to) = (range.start as i64, range.end as i64);
        let first = self.pieces.partition_point(|(_, start)| *start <= from).saturating_sub(1);
        let ends = self.pieces.iter().skip(first + 1).map(|(_, start)| *start).chain([self.text.len() as i64]);
        let held = self.pieces.iter().skip(first).zip(ends).take_while(|((_, start), _)| *start < to);
        for (at, ((seq, start), end)) in held.enumerate() {
            let part = (from.max(*start) - start) as usize..(to.min(end) - start) as usize;
            edits.entry(*seq).or_default().push(Edit { range: part, kind: (at == 0).then_some(kind) });
        }
    }
}
