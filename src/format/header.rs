//! The header that each segment begins with.

use crate::format::line::{self, Decoded};
use crate::json::escape;
use crate::json::object::only_from_objects;
use crate::model::event::{Fork, OpenTurn, Spending};
use crate::model::open_turns::Activity;
use crate::model::seq::Seq;
use crate::model::time::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The version of the format that this crate writes.
pub(crate) const FORMAT_VERSION: u64 = 1;
/// No header is longer: what is open takes 1 MiB at most, six times that when every byte of it is escaped.
pub(crate) const MAX_HEADER: u64 = 8 << 20;
/// No compacted segment holds more epochs. The epochs of 1,000 openings take some 130 kB of a header.
pub(crate) const MAX_EPOCHS: usize = 1_000;
/// Features of journals that this crate understands. Version 1 has none.
const KNOWN_FEATURES: &[&str] = &[];

/// The first line of a segment, apart from its checksum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// The format's version.
    pub(crate) foldlog: u64,
    /// 32 random hexadecimal digits, the same in every segment of a journal.
    pub(crate) journal: String,
    pub(crate) session_id: String,
    pub(crate) segment: u64,
    /// The first segment of the opening that made this one.
    pub(crate) epoch: u64,
    /// 32 random hexadecimal digits, the same in every segment of one opening. Absent in old journals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) epoch_id: Option<String>,
    pub(crate) first_seq: u64,
    pub(crate) created: Timestamp,
    pub(crate) writer: String,
    pub(crate) pid: u64,
    pub(crate) host: String,
    /// Features that a reader must understand.
    #[serde(default)]
    pub(crate) needs: Vec<String>,
    /// Where the segment before ends. `null` for the first; a header without this member is no header.
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) prev: Option<Seal>,
    #[serde(default)]
    pub(crate) turns: u64,
    #[serde(default)]
    pub(crate) open: Vec<OpenTurn>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) open_truncated: bool,
    #[serde(default)]
    pub(crate) last_id: Option<String>,
    #[serde(default)]
    pub(crate) errors: u64,
    /// What the model calls before it used; absent if none has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) spent: Option<Spending>,
    /// Where the journal was forked from, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fork: Option<Fork>,
    /// Line feeds may stand behind its last line, for the next ones to be written over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) prefilled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) compacted: Option<Compacted>,
}

/// Where a segment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub(crate) struct Seal {
    pub(crate) segment: u64,
    pub(crate) last_seq: u64,
    pub(crate) bytes: u64,
}

/// What a compacted segment stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub(crate) struct Compacted {
    /// The last segment that was merged into this one.
    pub(crate) through: u64,
    pub(crate) last_seq: u64,
    pub(crate) last_bytes: u64,
    /// How many entries are left.
    pub(crate) entries: u64,
    /// The epochs that begin inside it, in order; its header names the one before them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) epochs: Vec<Epoch>,
}

/// An epoch that begins inside a compacted segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub(crate) struct Epoch {
    pub(crate) epoch_id: String,
    pub(crate) epoch: u64,
    pub(crate) first_seq: u64,
    /// The last number before it, as its first header said.
    pub(crate) prev_last_seq: u64,
}

only_from_objects!(Seal, Compacted, Epoch);

impl Header {
    /// Reads a header from its line, line break excluded; `None` if it is not a whole one, or contradicts itself.
    pub(crate) fn decode(line: &[u8]) -> Option<Header> {
        match line::decode(line) {
            Decoded::Header(text) => serde_json::from_str(text).ok().filter(Header::holds),
            _ => None,
        }
    }

    /// Whether its numbers can be true. Readers and recovery rely on these relations: a segment that names itself or a later
    /// one as its predecessor would send them round in circles.
    fn holds(&self) -> bool {
        let in_order = self.epoch <= self.segment
            && self.prev.is_none_or(|prev| (1..self.segment).contains(&prev.segment) && prev.last_seq < self.first_seq)
            && self.compacted.as_ref().is_none_or(|compacted| {
                compacted.through >= self.segment && (compacted.entries == 0 || compacted.last_seq >= self.first_seq)
            });
        in_order && !self.session_id.is_empty() && self.numbers().all(|number| number <= Seq::MAX.get())
    }

    /// Every number in it.
    fn numbers(&self) -> impl Iterator<Item = u64> {
        let prev = self.prev.map(|prev| [prev.segment, prev.last_seq, prev.bytes]);
        let epochs = self.compacted.iter().flat_map(|compacted| &compacted.epochs);
        let epochs = epochs.flat_map(|epoch| [epoch.epoch, epoch.first_seq, epoch.prev_last_seq]);
        let compacted = self.compacted.as_ref();
        let compacted = compacted.map(|c| [c.through, c.last_seq, c.last_bytes, c.entries]);
        let open =
            self.open.iter().flat_map(|turn| std::iter::once(turn.seq).chain(turn.calls.iter().map(|call| call.seq)));
        [self.foldlog, self.segment, self.epoch, self.first_seq, self.pid, self.turns, self.errors]
            .into_iter()
            .chain(prev.into_iter().flatten())
            .chain(self.spent.iter().flat_map(Spending::numbers))
            .chain(self.fork.iter().map(|fork| fork.seq))
            .chain(compacted.into_iter().flatten())
            .chain(epochs)
            .chain(open)
    }

    /// The last segment that it stands for.
    pub(crate) fn stands_through(&self) -> u64 {
        self.compacted.as_ref().map_or(self.segment, |compacted| compacted.through)
    }

    /// The line, line break included.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).expect("a header holds only strings and numbers");
        escape::make_fit(&mut line, 0);
        line.pop(); // the brace comes back behind the checksum
        line::seal_line(&mut line, 0);
        line
    }

    /// The identity of the epoch that the segment begins in.
    pub(crate) fn epoch_id(&self) -> Cow<'_, str> {
        match &self.epoch_id {
            Some(id) => Cow::Borrowed(id),
            None => Cow::Owned(format!("epoch-{}", self.epoch)),
        }
    }

    /// The identity of the epoch that the segment ends in.
    pub(crate) fn last_epoch_id(&self) -> Cow<'_, str> {
        match self.epochs_inside().last() {
            Some(last) => Cow::Borrowed(&last.epoch_id),
            None => self.epoch_id(),
        }
    }

    /// The identity of the epoch that an entry of the segment belongs to.
    pub(crate) fn epoch_id_at(&self, seq: u64) -> Cow<'_, str> {
        let epochs = self.epochs_inside();
        match epochs.partition_point(|epoch| epoch.first_seq <= seq) {
            0 => self.epoch_id(),
            begun => Cow::Borrowed(&epochs[begun - 1].epoch_id),
        }
    }

    /// The epochs that begin inside a compacted segment, after the one that its header names.
    pub(crate) fn epochs_inside(&self) -> &[Epoch] {
        self.compacted.as_ref().map_or(&[], |compacted| &compacted.epochs)
    }

    /// The epoch that the segment begins in, as a merged segment states it.
    pub(crate) fn first_epoch(&self) -> Epoch {
        Epoch {
            epoch_id: self.epoch_id().into_owned(),
            epoch: self.epoch,
            first_seq: self.first_seq,
            prev_last_seq: self.prev.map_or(0, |prev| prev.last_seq),
        }
    }

    /// What was running when the segment began.
    pub(crate) fn activity(&self) -> Activity {
        let mut activity = Activity::restore(self.turns, self.errors, &self.open, self.last_id.clone());
        activity.spent = self.spent.unwrap_or_default();
        activity.fork = self.fork.clone();
        activity
    }

    /// What this version of the crate does not understand about the journal, in words; `None` if all is well.
    pub(crate) fn unsupported(&self) -> Option<String> {
        if self.foldlog > FORMAT_VERSION {
            return Some(format!("format version {} (this is foldlog {})", self.foldlog, env!("CARGO_PKG_VERSION")));
        }
        let unknown: Vec<&str> =
            self.needs.iter().map(String::as_str).filter(|need| !KNOWN_FEATURES.contains(need)).collect();
        (!unknown.is_empty()).then(|| format!("the features {}", unknown.join(", ")))
    }
}

/// Whether a header's line has members that this version does not know: they would be lost if it were written anew.
pub(crate) fn has_unknown_members(line: &[u8]) -> bool {
    const KNOWN: [&str; 23] = [
        "foldlog",
        "journal",
        "session_id",
        "segment",
        "epoch",
        "epoch_id",
        "first_seq",
        "created",
        "writer",
        "pid",
        "host",
        "needs",
        "prev",
        "turns",
        "open",
        "open_truncated",
        "last_id",
        "errors",
        "spent",
        "fork",
        "prefilled",
        "compacted",
        "crc",
    ];
    let members = serde_json::from_slice::<BTreeMap<String, IgnoredAny>>(line);
    members.map_or(true, |members| members.keys().any(|name| !KNOWN.contains(&name.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: no header of ours is taken for one of a newer version, which no compaction would touch. Method: one with every
    /// member there is.
    #[test]
    fn all_members_that_are_written_are_known() {
        let header = Header {
            foldlog: FORMAT_VERSION,
            journal: "0123456789abcdef0123456789abcdef".to_owned(),
            session_id: "s".to_owned(),
            segment: 2,
            epoch: 1,
            epoch_id: Some("0".repeat(32)),
            first_seq: 3,
            created: Timestamp::from_micros(0),
            writer: "foldlog".to_owned(),
            pid: 1,
            host: "h".to_owned(),
            needs: vec!["n".to_owned()],
            prev: Some(Seal { segment: 1, last_seq: 2, bytes: 300 }),
            turns: 1,
            open: vec![OpenTurn { turn_id: "t".to_owned(), seq: 1, calls: Vec::new() }],
            open_truncated: true,
            last_id: Some("i".to_owned()),
            errors: 1,
            spent: Some(Spending::default()),
            fork: Some(Fork {
                journal: "0123456789abcdef0123456789abcdef".to_owned(),
                session_id: "s".to_owned(),
                epoch_id: "0123456789abcdef0123456789abcdef".to_owned(),
                seq: 1,
                turn_id: None,
            }),
            prefilled: true,
            compacted: Some(Compacted {
                through: 2,
                last_seq: 3,
                last_bytes: 300,
                entries: 1,
                epochs: vec![Epoch { epoch_id: "1".repeat(32), epoch: 2, first_seq: 3, prev_last_seq: 2 }],
            }),
        };
        let line = header.encode();
        let line = line.strip_suffix(b"\n").expect("a line");
        assert!(!has_unknown_members(line), "{}", String::from_utf8_lossy(line));
        assert_eq!(Header::decode(line), Some(header));
    }
}
