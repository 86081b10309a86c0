//! [`Cursor`]: a place in a journal from which reading starts or goes on.

use crate::model::seq::Seq;
use crate::model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Where reading starts: at a place that is given in words, or behind the last item of a [`Follower`](crate::Follower).
///
/// Plain data: store it with serde, and resume after a restart. It names no file, so that it stays right when segments are
/// compacted.
///
/// ```
/// use foldlog::Cursor;
///
/// let cursor = Cursor::last(10);
/// let stored = serde_json::to_string(&cursor)?;
/// assert_eq!(serde_json::from_str::<Cursor>(&stored)?, cursor);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub(crate) Place);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    Start,
    End,
    From(Seq),
    Last(u64),
    Since(Timestamp),
    After(Position),
}

/// How many epochs a cursor names at most: the newest. One that shares none of them with the journal starts again.
const MAX_EPOCHS_SEEN: usize = 64;
/// How many ranges of missing numbers a cursor names at most: the lowest. Those behind them are told for good, unless one of
/// the lowest comes: everything behind that is read again.
const MAX_LACKING: usize = 64;

/// What a follower has delivered last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredPosition")]
pub(crate) struct Position {
    /// The journal's id, once a header was seen.
    pub(crate) journal: Option<String>,
    /// Of each epoch, by its identity, the last number that was delivered; the newest epoch last.
    pub(crate) seen: Vec<(String, u64)>,
    /// The ranges of numbers among those that were told as missing and may come after all, in rising order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) lacking: Vec<(u64, u64)>,
}

/// A position as it may be stored: an old one has the number of its epoch and not its identity.
#[derive(Deserialize)]
struct StoredPosition {
    journal: Option<String>,
    #[serde(default)]
    seen: Vec<(String, u64)>,
    #[serde(default)]
    lacking: Vec<(u64, u64)>,
    epoch: Option<u64>,
    seq: Option<u64>,
}

impl From<StoredPosition> for Position {
    fn from(StoredPosition { journal, mut seen, lacking, epoch, seq }: StoredPosition) -> Position {
        if let (Some(epoch), Some(seq @ 1..)) = (epoch, seq) {
            seen = vec![(format!("epoch-{epoch}"), seq)];
        }
        let mut position = Position { journal, seen, lacking: Vec::new() };
        position.forget_oldest();
        lacking.into_iter().for_each(|(first, last)| position.note_lacking(first, last));
        position.lack_none_behind(position.seq());
        position
    }
}

impl Position {
    /// The last number that was delivered.
    pub(crate) fn seq(&self) -> u64 {
        self.seen.last().map_or(0, |(_, seq)| *seq)
    }

    /// The identity of the newest epoch that was seen; empty if there is none.
    pub(crate) fn newest(&self) -> &str {
        self.seen.last().map_or("", |(id, _)| id)
    }

    /// The last number that was delivered of an epoch.
    pub(crate) fn seq_of(&self, epoch_id: &str) -> Option<u64> {
        self.seen.iter().rev().find(|(id, _)| id == epoch_id).map(|(_, seq)| *seq)
    }

    /// Notes that everything of this epoch up to a number was delivered.
    pub(crate) fn note(&mut self, epoch_id: &str, seq: u64) {
        // Behind an epoch that is read once more, later ones are known already: nothing of them is delivered twice.
        match self.seen.iter().rposition(|(id, _)| id == epoch_id) {
            Some(at) => self.seen[at..].iter_mut().for_each(|(_, last)| *last = seq),
            None => {
                self.seen.push((epoch_id.to_owned(), seq));
                self.forget_oldest();
            }
        }
    }

    /// The same of entries whose epoch cannot be told: they count as the newest's that was seen.
    pub(crate) fn note_newest(&mut self, seq: u64) {
        match self.seen.last_mut() {
            Some((_, last)) => *last = seq,
            None => self.seen.push((String::new(), seq)),
        }
    }

    /// Forgets what was delivered after a number, and the epochs after this one, in which reading goes on.
    pub(crate) fn rewind_to(&mut self, epoch_id: &str, seq: u64) {
        if let Some(at) = self.seen.iter().position(|(id, _)| id == epoch_id) {
            self.seen.truncate(at + 1);
        }
        self.seen.iter_mut().for_each(|(_, last)| *last = (*last).min(seq));
        self.note(epoch_id, seq);
        self.lack_none_behind(seq);
    }

    /// Notes that these numbers were told as missing and may come after all.
    pub(crate) fn note_lacking(&mut self, first: u64, last: u64) {
        let first = first.max(self.lacking.last().map_or(1, |(_, last)| last.saturating_add(1)));
        if first <= last && self.lacking.len() < MAX_LACKING {
            self.lacking.push((first, last));
        }
    }

    /// Forgets what was delivered after a number, since missing ones behind it have come. The next one is of this epoch, if
    /// that is known. Returns the number to go on behind.
    pub(crate) fn go_back(&mut self, epoch_id: Option<&str>, seq: u64) -> u64 {
        let epoch_id = epoch_id.map(str::to_owned);
        let epoch_id = epoch_id.or_else(|| self.seen.iter().find(|(_, last)| *last >= seq).map(|(id, _)| id.clone()));
        // Of an epoch whose end is missing the last that was delivered counts.
        for (_, last) in &mut self.seen {
            let missing = self.lacking.iter().find(|missing| (missing.0..=missing.1).contains(last));
            *last = missing.map_or(*last, |(first, _)| first - 1);
        }
        self.seen.retain(|(_, last)| (1..=seq).contains(last));
        let seq = if epoch_id.is_some() { seq } else { self.seq() };
        epoch_id.filter(|_| seq > 0).iter().for_each(|id| self.note(id, seq));
        self.lack_none_behind(seq);
        seq
    }

    /// As it is given out. Numbers that are missing behind the last delivered are no part of it: whoever goes on there is told
    /// of them again.
    pub(crate) fn given_out(&self, journal: Option<String>) -> Position {
        let mut given = Position { journal, ..self.clone() };
        given.lack_none_behind(self.seq());
        given
    }

    fn lack_none_behind(&mut self, seq: u64) {
        self.lacking.retain(|(first, _)| *first <= seq);
        self.lacking.last_mut().into_iter().for_each(|(_, last)| *last = seq.min(*last));
    }

    fn forget_oldest(&mut self) {
        let surplus = self.seen.len().saturating_sub(MAX_EPOCHS_SEEN);
        self.seen.drain(..surplus);
    }
}

impl Cursor {
    /// The first entry.
    pub fn start() -> Cursor {
        Cursor(Place::Start)
    }

    /// Behind the last entry that is there now.
    pub fn end() -> Cursor {
        Cursor(Place::End)
    }

    /// The entry with this number, or the first behind it.
    pub fn from_seq(seq: Seq) -> Cursor {
        Cursor(Place::From(seq))
    }

    /// The last `entries` entries that are there now.
    pub fn last(entries: u64) -> Cursor {
        Cursor(Place::Last(entries))
    }

    /// The first entry whose time is this or later. Everything behind it follows, whatever its time.
    pub fn since(time: Timestamp) -> Cursor {
        Cursor(Place::Since(time))
    }

    /// The number of the last entry that a follower had seen; `None` for a place given in words.
    pub fn seq(&self) -> Option<Seq> {
        match &self.0 {
            Place::After(position) => Some(Seq::new(position.seq())),
            _ => None,
        }
    }
}

impl Default for Cursor {
    fn default() -> Cursor {
        Cursor::start()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(stored: &str) -> Position {
        match serde_json::from_str::<Cursor>(stored).expect("a cursor").0 {
            Place::After(position) => position,
            place => panic!("{place:?}"),
        }
    }

    #[test]
    fn an_old_cursor_names_the_epoch_by_its_number() {
        let old = position(r#"{"after":{"journal":"j","epoch":3,"seq":17}}"#);
        assert_eq!((old.journal.as_deref(), old.seen), (Some("j"), vec![("epoch-3".to_owned(), 17)]));
        assert!(position(r#"{"after":{"journal":"j","epoch":0,"seq":0}}"#).seen.is_empty());
    }

    #[test]
    fn a_cursor_keeps_the_newest_epochs() {
        let mut seen = Position::default();
        (1..=100).for_each(|epoch| seen.note(&format!("e{epoch}"), epoch * 10));
        assert_eq!((seen.seen.len(), seen.seen[0].0.as_str(), seen.seq()), (MAX_EPOCHS_SEEN, "e37", 1_000));
        seen.rewind_to("e99", 985);
        assert_eq!((seen.seq(), seen.seq_of("e100"), seen.seq_of("e98")), (985, None, Some(980)));
    }

    /// Goal: an epoch that is read once more after a notice does not forget that a later one is known.
    #[test]
    fn an_older_epoch_read_again_keeps_its_place() {
        let mut seen = Position::default();
        seen.note("a", 20);
        seen.rewind_to("b", 9);
        seen.note("a", 12);
        assert_eq!(seen.seen, [("a".to_owned(), 12), ("b".to_owned(), 12)]);
    }

    /// Goal: behind missing numbers that have come, no epoch counts as seen that begins later. Method: the second of three
    /// epochs was missing, and comes whole, in part, or as nothing.
    #[test]
    fn going_back_forgets_what_was_not_delivered_in_order() {
        let position = || Position { seen: vec![("a".to_owned(), 10), ("c".to_owned(), 15)], ..Position::default() };
        let back = |epoch_id: Option<&str>, seq: u64| {
            let mut position = position();
            position.note_lacking(6, 10);
            assert_eq!(position.go_back(epoch_id, seq), seq);
            (position.seen, position.lacking)
        };
        let seen = |seen: &[(&str, u64)]| seen.iter().map(|(id, seq)| ((*id).to_owned(), *seq)).collect::<Vec<_>>();
        assert_eq!(back(Some("b"), 5), (seen(&[("a", 5), ("b", 5)]), vec![]));
        assert_eq!(back(Some("b"), 7), (seen(&[("a", 5), ("b", 7)]), vec![(6, 7)]));
        assert_eq!(back(None, 5), (seen(&[("a", 5)]), vec![]));
        assert_eq!(back(Some("a"), 0), (vec![], vec![]));
    }

    #[test]
    fn a_cursor_keeps_the_lowest_missing_numbers() {
        let mut seen = Position::default();
        (1..=100).for_each(|number| seen.note_lacking(number * 10, number * 10 + 4));
        assert_eq!((seen.lacking.len(), seen.lacking[0]), (MAX_LACKING, (10, 14)));
        seen.note("a", 1_100);
        let stored = serde_json::to_string(&Cursor(Place::After(seen.clone()))).expect("a cursor as JSON");
        assert_eq!(position(&stored), seen);
        let odd = position(r#"{"after":{"journal":"j","seen":[["a",9]],"lacking":[[5,4],[7,20],[0,3]]}}"#);
        assert_eq!(odd.lacking, [(7, 9)]);
    }
}
