//! Which sessions of a store have files open: a bounded number, of which the longest idle make room for others.

use std::collections::{BTreeSet, VecDeque};

/// How many sessions have files open at most. Each has a few: its directory, the segment that is read, and the next.
const MOST: usize = 128;

/// The sessions that have files open, by their keys.
#[derive(Debug)]
pub(super) struct Rooms {
    /// How many may.
    pub(super) most: usize,
    /// The system has refused to open more.
    pub(super) is_crowded: bool,
    /// Being read.
    busy: BTreeSet<u64>,
    /// Nothing to read for now; the longest idle first.
    idle: VecDeque<u64>,
    /// Due, but all that have files open are being read.
    waiting: VecDeque<u64>,
}

/// Where a session finds room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Free,
    /// In the place of an idle one.
    Of(u64),
    /// Nowhere yet.
    None,
}

impl Default for Rooms {
    fn default() -> Rooms {
        Rooms { most: MOST, is_crowded: false, busy: BTreeSet::new(), idle: VecDeque::new(), waiting: VecDeque::new() }
    }
}

impl Rooms {
    /// Room for a session that is about to look at its files.
    pub(super) fn take(&mut self, key: u64) -> Room {
        if self.busy.contains(&key) || self.idle.contains(&key) || self.busy.len() + self.idle.len() < self.most {
            return Room::Free;
        }
        match self.idle.pop_front() {
            Some(idle) => Room::Of(idle),
            None => {
                self.waiting.push_back(key);
                Room::None
            }
        }
    }

    /// The session is being read.
    pub(super) fn is_busy(&mut self, key: u64) {
        self.idle.retain(|idle| *idle != key);
        self.busy.insert(key);
    }

    /// The session has nothing to read for now. Returns one that waited for that.
    pub(super) fn is_idle(&mut self, key: u64, is_open: bool) -> Option<u64> {
        self.busy.remove(&key);
        self.idle.retain(|idle| *idle != key);
        if is_open {
            self.idle.push_back(key);
        }
        self.waiting.pop_front()
    }

    /// Fewer sessions may have files open from now on than have now. Returns those that are to close theirs.
    pub(super) fn shrink(&mut self, key: u64) -> Vec<u64> {
        self.most = ((self.busy.len() + self.idle.len()) / 2).max(1);
        self.is_crowded = true;
        let others: Vec<u64> = self.idle.iter().copied().filter(|idle| *idle != key).collect();
        self.idle.retain(|idle| *idle == key);
        others
    }

    /// Whether others than this session have files open.
    pub(super) fn has_others(&self, key: u64) -> bool {
        self.busy.iter().any(|busy| *busy != key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_idle_makes_room_and_who_is_read_does_not() {
        let mut rooms = Rooms { most: 2, ..Rooms::default() };
        for key in [1, 2] {
            assert_eq!(rooms.take(key), Room::Free);
            assert_eq!(rooms.is_idle(key, true), None);
        }
        assert_eq!(rooms.take(1), Room::Free, "it has files open");
        rooms.is_busy(1);
        assert_eq!(rooms.take(3), Room::Of(2));
        rooms.is_busy(3);
        assert_eq!(rooms.take(2), Room::None);
        // One that closed its files has left its room to who waited.
        assert_eq!(rooms.is_idle(3, false), Some(2));
        assert_eq!(rooms.take(2), Room::Free);
        rooms.is_busy(2);
        assert_eq!(rooms.is_idle(1, true), None);
        assert!(!rooms.is_crowded);
        assert_eq!((rooms.shrink(2), rooms.most, rooms.is_crowded), (vec![1], 1, true));
        assert!(!rooms.has_others(2));
    }
}
