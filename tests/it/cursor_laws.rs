//! Laws of stored cursors over random histories: what was recorded, killed, merged and put back from an older copy. All
//! on a disk in memory. The campaign does many more of them.

use crate::support::{Dice, Files, ID, Lab, segments};
use foldlog::{CompactOptions, Cursor, Custom, Item, JournalOptions, Json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

fn histories() -> u64 {
    std::env::var("FOLDLOG_CURSOR_HISTORIES").ok().and_then(|count| count.parse().ok()).unwrap_or(500)
}

/// A session, and a consumer that stores its cursor.
pub struct History {
    lab: Lab,
    dice: Dice,
    cursor: Cursor,
    /// Every event has a name of its own.
    events: u64,
    /// What the consumer holds to be in the journal: its deliveries, less what it was told to be gone.
    held: BTreeMap<u64, String>,
    /// All that it ever got.
    delivered: BTreeSet<String>,
    notices: Vec<String>,
    copies: Vec<Files>,
}

impl History {
    fn new(seed: u64) -> History {
        History {
            lab: Lab::new(),
            dice: Dice::seeded(seed),
            cursor: Cursor::start(),
            events: 0,
            held: BTreeMap::new(),
            delivered: BTreeSet::new(),
            notices: Vec::new(),
            copies: Vec::new(),
        }
    }

    /// Opens, appends, and closes or is killed; sometimes the directory is copied in between.
    fn record(&mut self) {
        let options = JournalOptions::default().segment_bytes([1, 600, 1 << 20][self.dice.below(3)]);
        let journal = self.lab.store.journal_with(ID, options).unwrap();
        for _ in 0..self.dice.below(5) {
            self.events += 1;
            let name = format!("\"event {}\"", self.events);
            journal.append(Custom::new("x.event", Json::parse(&name).unwrap())).unwrap().wait().unwrap();
            if self.dice.below(8) == 0 {
                self.copies.push(self.lab.files());
            }
        }
        let killed = (self.dice.below(2) == 0).then(|| self.lab.files());
        journal.close().wait().unwrap();
        drop(journal);
        if let Some(files) = killed {
            self.lab.put(&files);
        }
        if self.dice.below(4) == 0 {
            self.copies.push(self.lab.files());
        }
    }

    fn exists(&self) -> bool {
        !segments(&self.lab.files()).is_empty()
    }

    fn compact(&mut self) {
        if !self.exists() {
            return;
        }
        let options = CompactOptions::default();
        self.lab.store.compact_with(ID, &options, &mut |_| {}).unwrap();
    }

    /// Puts an older copy back, after removing what is there or over it.
    fn restore(&mut self, remove: bool) {
        if self.copies.is_empty() {
            return;
        }
        let copy = self.copies[self.dice.below(self.copies.len())].clone();
        let mut files = if remove { Files::new() } else { self.lab.files() };
        files.extend(copy);
        self.lab.put(&files);
    }

    /// Resumes from the stored cursor and takes some items, or all there are.
    fn consume(&mut self, all: bool) {
        if !self.exists() {
            return;
        }
        let stored = serde_json::to_string(&self.cursor).unwrap();
        let cursor: Cursor = serde_json::from_str(&stored).unwrap();
        let mut follower = self.lab.store.reader(ID).unwrap().follow(cursor).unwrap();
        let mut left = if all { usize::MAX } else { self.dice.below(8) };
        while left > 0 {
            left -= 1;
            let item = follower.next_timeout(Duration::from_secs(10)).expect("an item").unwrap();
            if matches!(item, Item::WriterGone) {
                break;
            }
            self.take(item);
        }
        self.cursor = follower.cursor();
    }

    fn consume_some_or_all(&mut self) {
        let all = self.dice.below(2) == 0;
        self.consume(all);
    }

    fn take(&mut self, item: Item<'_>) {
        match item {
            Item::Entry(entry) => {
                let name = entry.data().to_owned();
                if entry.type_name() == "custom" {
                    self.delivered.insert(name.clone());
                }
                let known = self.held.insert(entry.seq().get(), name);
                assert_eq!(known, None, "delivered twice without a notice: {}", entry.seq());
            }
            Item::Rewound(seq) => {
                self.held.retain(|number, _| *number <= seq.get());
                self.notices.push(format!("rewound to {seq}"));
            }
            Item::Replaced => {
                self.held.clear();
                self.notices.push("replaced".to_owned());
            }
            _ => {}
        }
    }

    /// What a reader finds now.
    fn there(&self) -> BTreeMap<u64, String> {
        let reader = self.lab.store.reader(ID).unwrap();
        let mut items = reader.items().unwrap();
        let mut there = BTreeMap::new();
        while let Some(item) = items.next().unwrap() {
            if let Item::Entry(entry) = item {
                there.insert(entry.seq().get(), entry.data().to_owned());
            }
        }
        there
    }
}

/// What happens in a history, and what must hold at its end.
pub struct Law {
    pub name: &'static str,
    step: fn(&mut History),
    check: fn(&mut History),
}

impl Law {
    /// Panics if it does not hold for the history of this seed.
    pub fn hold(&self, seed: u64) {
        let mut history = History::new(seed);
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..3 + history.dice.below(8) {
                (self.step)(&mut history);
            }
            history.record();
            history.consume(true);
            if history.exists() {
                (self.check)(&mut history);
            }
        }));
        assert!(caught.is_ok(), "{}: seed {seed}, notices {:?}", self.name, history.notices);
    }
}

/// A stored cursor resumes without a notice, and every entry comes once, whatever runs, ends, dies or is merged.
pub const SILENT: Law = Law {
    name: "silent resumption",
    step: |history| match history.dice.below(6) {
        0..=2 => history.record(),
        3 => history.compact(),
        _ => history.consume(false),
    },
    check: |history| {
        assert!(history.notices.is_empty());
        assert_eq!(history.held, history.there());
    },
};

/// Where an older copy was put in the place of what was there, nothing recorded since is skipped, and the consumer is told
/// of everything that is gone.
pub const RESTORED: Law = Law {
    name: "restored copy",
    step: |history| match history.dice.below(8) {
        0..=2 => history.record(),
        3 => history.compact(),
        4 => history.restore(true),
        _ => history.consume_some_or_all(),
    },
    check: |history| assert_eq!(history.held, history.there()),
};

/// The same where newer files stay beside the older copy: what a reader finds was delivered, and what is gone was told by a
/// notice or is a gap of the journal's own.
pub const RESTORED_OVER: Law = Law {
    name: "copy over newer files",
    step: |history| match history.dice.below(9) {
        0..=2 => history.record(),
        3 => history.restore(false),
        4 => history.compact(),
        _ => history.consume_some_or_all(),
    },
    check: |history| {
        let there = history.there();
        for (seq, name) in there.iter().filter(|(_, name)| name.contains("event ")) {
            assert!(history.delivered.contains(name), "{seq}: {name} was never delivered");
        }
        let gone: Vec<u64> = history.held.keys().copied().filter(|seq| !there.contains_key(seq)).collect();
        let report = history.lab.store.reader(ID).unwrap().verify().unwrap();
        for seq in gone {
            let covers = |gap: &foldlog::Gap| match (gap.first_seq, gap.last_seq) {
                (Some(first), Some(last)) => (first.get()..=last.get()).contains(&seq),
                _ => false,
            };
            assert!(report.gaps.iter().any(covers), "{seq} is gone, and nothing says so: {:?}", report.gaps);
        }
    },
};

#[test]
fn a_stored_cursor_resumes_in_silence() {
    (1..=histories()).for_each(|seed| SILENT.hold(seed));
}

#[test]
fn a_restored_copy_is_noticed() {
    (1..=histories()).for_each(|seed| RESTORED.hold(seed));
}

#[test]
fn a_copy_restored_over_newer_files_hides_nothing() {
    (1..=histories()).for_each(|seed| RESTORED_OVER.hold(seed));
}

/// Goal: a follower that runs on while older copies are put back and recorded into holds in the end what is there, and was
/// told of what is gone. Method: one follower through a history; it looks at the files by the clock, as in other processes.
#[test]
fn a_live_follower_notices_a_restored_copy() {
    let histories: Vec<_> = (1..=histories().div_ceil(25)).map(|seed| std::thread::spawn(move || live(seed))).collect();
    let restored: usize = histories.into_iter().map(|history| history.join().unwrap()).sum();
    assert!(restored > 0, "no history told of anything");
}

/// Returns how many notices came.
fn live(seed: u64) -> usize {
    let mut history = History::new(seed);
    while !history.exists() {
        history.record();
    }
    let mut follower = history.lab.store.reader(ID).unwrap().follow(Cursor::start()).unwrap();
    for _ in 0..12 {
        match history.dice.below(4) {
            0 | 1 => history.record(),
            2 => history.compact(),
            _ => history.restore(true),
        }
        if !history.exists() {
            continue;
        }
        for _ in 0..history.dice.below(12) {
            let Some(item) = follower.next_timeout(Duration::from_millis(150)) else { break };
            history.take(item.unwrap());
        }
    }
    history.record();
    history.record();
    if !history.exists() {
        return history.notices.len();
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while history.held != history.there() && Instant::now() < deadline {
        if let Some(item) = follower.next_timeout(Duration::from_millis(500)) {
            history.take(item.unwrap());
        }
    }
    assert_eq!(history.held, history.there(), "seed {seed}, notices {:?}", history.notices);
    history.notices.len()
}
