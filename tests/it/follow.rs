//! Followers of one journal: every entry once, in order and whole, whatever happens to the files meanwhile.

use crate::faulty::Faulty;
use crate::patience::{PATIENCE, delta};
use crate::support::{Dice, ID, Lab, add, entries_of, holds, lines, reference, segment, segments, seq_of};
use foldlog::{
    Access, Cursor, DiskStorage, Durability, Follower, GapKind, Item, Journal, JournalOptions, Seq, Storage, Store,
    TextDelta,
};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What a follower yields, to compare.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    Entry(u64),
    Gap(GapKind, Option<(u64, u64)>),
    /// A gap that the log accounts for.
    Explained(GapKind, Option<(u64, u64)>),
    CaughtUp,
    Rewound(u64),
    Replaced,
    WriterGone,
}

impl Seen {
    pub fn of(item: &Item<'_>) -> Seen {
        match item {
            Item::Entry(entry) => {
                assert!(holds(entry.line().as_bytes()), "not whole: {}", entry.line());
                Seen::Entry(entry.seq().get())
            }
            Item::Gap(gap) => {
                let seqs = gap.first_seq.zip(gap.last_seq).map(|(first, last)| (first.get(), last.get()));
                if gap.explained { Seen::Explained(gap.kind, seqs) } else { Seen::Gap(gap.kind, seqs) }
            }
            Item::CaughtUp => Seen::CaughtUp,
            Item::Rewound(seq) => Seen::Rewound(seq.get()),
            Item::Replaced => Seen::Replaced,
            Item::WriterGone => Seen::WriterGone,
            other => panic!("{other:?}"),
        }
    }
}

/// Everything up to the first item that `last` picks.
pub fn follow_to(follower: &mut Follower, last: impl Fn(&Seen) -> bool) -> Vec<Seen> {
    let give_up = Instant::now() + PATIENCE;
    let mut seen = Vec::new();
    loop {
        let left = give_up.saturating_duration_since(Instant::now());
        let Some(item) = follower.next_timeout(left) else { panic!("that was all: {seen:?}") };
        seen.push(Seen::of(&item.unwrap()));
        if last(&seen[seen.len() - 1]) {
            return seen;
        }
    }
}

/// What comes within a moment that is long enough for two polls.
fn follow_on(follower: &mut Follower) -> Vec<Seen> {
    let mut seen = Vec::new();
    while let Some(item) = follower.next_timeout(Duration::from_millis(700)) {
        seen.push(Seen::of(&item.unwrap()));
    }
    seen
}

/// Entries and what is wrong, without how things stand.
fn news(seen: Vec<Seen>) -> Vec<Seen> {
    seen.into_iter().filter(|seen| !matches!(seen, Seen::CaughtUp | Seen::WriterGone)).collect()
}

fn entries(seqs: impl IntoIterator<Item = u64>) -> Vec<Seen> {
    seqs.into_iter().map(Seen::Entry).collect()
}

/// A session on a real disk.
struct Place {
    root: tempfile::TempDir,
    store: Store,
}

impl Place {
    fn new() -> Place {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        Place { root, store }
    }

    /// With these files, and nobody who writes.
    fn with(files: &BTreeMap<String, Vec<u8>>) -> Place {
        let place = Place::new();
        place.put(files);
        place
    }

    fn dir(&self) -> PathBuf {
        self.root.path().join(ID)
    }

    fn put(&self, files: &BTreeMap<String, Vec<u8>>) {
        fs::create_dir_all(self.dir()).unwrap();
        for (name, bytes) in files {
            fs::write(self.dir().join(name), bytes).unwrap();
        }
    }

    fn segment(&self, number: u64) -> PathBuf {
        self.dir().join(segment(number))
    }

    fn journal(&self) -> Journal {
        self.store.journal(ID).unwrap()
    }

    fn follow(&self, from: Cursor, how: How) -> Follower {
        how.apply(self.store.reader(ID).unwrap().follow(from).unwrap())
    }
}

/// What wakes a follower.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum How {
    Notices,
    Polls,
}

impl How {
    pub const BOTH: [How; 2] = [How::Notices, How::Polls];

    pub fn apply(self, follower: Follower) -> Follower {
        match self {
            How::Notices => follower,
            How::Polls => follower.poll_every(Duration::from_millis(5)),
        }
    }
}

fn append(journal: &Journal, count: usize) -> u64 {
    let mut last = Seq::ZERO;
    for number in 0..count {
        last = journal.append(delta(number)).unwrap().wait().unwrap();
    }
    last.get()
}

#[test]
fn history_then_news_then_the_writer_is_gone() {
    for how in How::BOTH {
        let place = Place::new();
        let journal = place.journal();
        append(&journal, 3);
        let mut follower = place.follow(Cursor::start(), how);
        let history = follow_to(&mut follower, |seen| *seen == Seen::CaughtUp);
        assert_eq!(history, [entries(1..=3), vec![Seen::CaughtUp]].concat(), "{how:?}");
        append(&journal, 2);
        assert_eq!(news(follow_to(&mut follower, |seen| *seen == Seen::Entry(5))), entries(4..=5), "{how:?}");
        journal.close().wait().unwrap();
        let end = follow_to(&mut follower, |seen| *seen == Seen::WriterGone);
        assert_eq!(news(end), entries([6]), "{how:?}: `journal_closed` is an entry too");
        // Another opening: it goes on.
        let journal = place.journal();
        append(&journal, 2);
        assert_eq!(news(follow_to(&mut follower, |seen| *seen == Seen::Entry(8))), entries(7..=8), "{how:?}");
        drop(journal);
        assert_eq!(news(follow_to(&mut follower, |seen| *seen == Seen::WriterGone)), [], "{how:?}");
        assert!(follow_on(&mut follower).is_empty(), "{how:?}: it is told once");
    }
}

/// Goal: whole lines only. Method: a journal's files appear byte by byte, with a look after each.
#[test]
fn a_journal_that_is_written_byte_by_byte_is_given_out_line_by_line() {
    let files = reference(1_500);
    assert!(files.len() > 3, "{:?}", files.keys());
    let lab = Lab::new();
    lab.disk.set(&lab.dir.join("LOCK"), b"");
    let mut follower: Option<Follower> = None;
    let (mut written, mut seen) = (BTreeMap::new(), Vec::new());
    for name in segments(&files) {
        for end in 1..=files[&name].len() {
            written.insert(name.clone(), files[&name][..end].to_vec());
            // In place: the same file grows.
            match end {
                1 => lab.disk.set(&lab.dir.join(&name), &files[&name][..1]),
                _ => lab.disk.append(&lab.dir.join(&name), &files[&name][end - 1..end]),
            }
            let whole = entries_of(&written).len();
            if let Ok(reader) = lab.store.reader(ID)
                && follower.is_none()
            {
                follower = Some(reader.follow(Cursor::start()).unwrap().poll_every(Duration::from_micros(1)));
            }
            let Some(follower) = &mut follower else { continue };
            let give_up = Instant::now() + PATIENCE;
            while seen.len() < whole {
                assert!(Instant::now() < give_up, "{name} up to {end}: {} of {whole}", seen.len());
                if let Some(item) = follower.next_timeout(Duration::from_millis(20)) {
                    seen.extend(news(vec![Seen::of(&item.unwrap())]));
                }
            }
            assert_eq!(seen.len(), whole, "{name} up to {end}");
        }
    }
    assert_eq!(seen, entries(entries_of(&files).into_keys()));
}

#[test]
fn damage_under_a_running_follower_is_one_gap_and_good_lines_go_on() {
    for how in How::BOTH {
        let files = reference(1 << 20);
        let name = &segments(&files)[0];
        let bytes = &files[name];
        let at: Vec<(usize, &[u8])> = lines(bytes);
        let place = Place::new();
        let part = |end: usize| BTreeMap::from([(name.clone(), bytes[..end].to_vec())]);
        place.put(&part(at[5].0));
        let mut follower = place.follow(Cursor::start(), how);
        assert_eq!(news(follow_to(&mut follower, |seen| *seen == Seen::Entry(4))), entries(1..=4), "{how:?}");
        // Two lines are damaged, and good ones follow at once.
        let mut damaged = bytes[..at[10].0].to_vec();
        damaged[at[6].0 + 30] ^= 1;
        damaged[at[7].0 + 30] ^= 1;
        add(&place.segment(1), &damaged[at[5].0..]);
        let seen = news(follow_to(&mut follower, |seen| *seen == Seen::Entry(9)));
        let gap = seen.iter().filter(|seen| matches!(seen, Seen::Gap(_, Some((6, 7))))).count();
        assert_eq!((seen.len(), gap), (4, 1), "{how:?}: {seen:?}");
        assert!(news(follow_on(&mut follower)).is_empty(), "{how:?}");
    }
}

/// Goal: a bad last line is a gap once it has stayed the same, and only once; and if its writer replaces it after all,
/// nothing is missed.
#[test]
fn a_bad_last_line_is_told_once_and_read_again() {
    for how in How::BOTH {
        let place = Place::new();
        let journal = place.journal();
        append(&journal, 2);
        let mut follower = place.follow(Cursor::start(), how);
        follow_to(&mut follower, |seen| *seen == Seen::CaughtUp);
        let end = fs::metadata(place.segment(1)).unwrap().len();
        add(&place.segment(1), b"somebody types into the file\n");
        assert_eq!(news(follow_on(&mut follower)), [Seen::Gap(GapKind::Torn, None)], "{how:?}");
        assert_eq!(news(follow_on(&mut follower)), [], "{how:?}");
        // The writer knows where its own lines end, and writes over it.
        append(&journal, 2);
        assert!(fs::metadata(place.segment(1)).unwrap().len() > end);
        let seen = news(follow_to(&mut follower, |seen| *seen == Seen::Entry(4)));
        assert_eq!(seen, entries(3..=4), "{how:?}");
    }
}

#[test]
fn a_bad_last_line_that_stays_is_not_told_again_when_good_ones_follow_it() {
    let files = reference(1 << 20);
    let bytes = files.values().next().unwrap();
    let at = lines(bytes);
    let lab = Lab::new();
    let path = lab.dir.join(segment(1));
    lab.disk.set(&path, &[&bytes[..at[3].0], b"noise\n"].concat());
    let mut follower = lab.store.reader(ID).unwrap().follow(Cursor::start()).unwrap();
    let seen = news(follow_to(&mut follower, |seen| matches!(seen, Seen::Gap(..))));
    assert_eq!(seen, [entries(1..=2), vec![Seen::Gap(GapKind::Torn, None)]].concat());
    lab.disk.append(&path, &bytes[at[3].0..at[6].0]);
    assert_eq!(news(follow_to(&mut follower, |seen| *seen == Seen::Entry(5))), entries(3..=5));
    // With a number missing it is another thing.
    lab.disk.append(&path, b"noise\n");
    let seen = news(follow_to(&mut follower, |seen| matches!(seen, Seen::Gap(..))));
    assert_eq!(seen, [Seen::Gap(GapKind::Torn, None)]);
    lab.disk.append(&path, &bytes[at[7].0..at[8].0]);
    let seen = news(follow_to(&mut follower, |seen| *seen == Seen::Entry(7)));
    assert!(matches!(seen[..], [Seen::Gap(_, Some((6, 6))), Seen::Entry(7)]), "{seen:?}");
}

#[test]
fn half_a_line_of_a_dead_writer_is_told_and_its_recovery_is_not_told_again() {
    for how in How::BOTH {
        let place = Place::new();
        let journal = place.journal();
        append(&journal, 3);
        drop(journal);
        let whole = fs::read(place.segment(1)).unwrap();
        fs::write(place.segment(1), [&whole[..], b"{\"seq\":4,\"synced\":3,\"time\":\"2026"].concat()).unwrap();
        let mut follower = place.follow(Cursor::start(), how);
        let seen = follow_to(&mut follower, |seen| *seen == Seen::WriterGone);
        assert_eq!(news(seen), [entries(1..=3), vec![Seen::Gap(GapKind::Torn, None)]].concat(), "{how:?}");
        let journal = place.journal();
        let last = append(&journal, 1);
        let seen = news(follow_to(&mut follower, |seen| *seen == Seen::Entry(last)));
        assert_eq!(seen, entries(last - 1..=last), "{how:?}: the report, and what was appended");
    }
}

/// Goal: a half line that its writer cuts back and replaces by another is never mixed with it.
#[test]
fn half_a_line_that_is_replaced_is_read_again_from_its_start() {
    let files = reference(1 << 20);
    let bytes = files.values().next().unwrap();
    let at = lines(bytes);
    let lab = Lab::new();
    let path = lab.dir.join(segment(1));
    lab.disk.set(
        &path,
        &[&bytes[..at[3].0], b"{\"seq\":3,\"synced\":2,\"time\":\"a line that never came to its end"].concat(),
    );
    let mut follower = lab.store.reader(ID).unwrap().follow(Cursor::start()).unwrap();
    assert_eq!(news(follow_to(&mut follower, |seen| *seen == Seen::Entry(2))), entries(1..=2));
    assert!(follower.next_timeout(Duration::from_millis(50)).is_some(), "caught up");
    lab.disk.overwrite(&path, &bytes[..at[5].0]);
    assert_eq!(news(follow_to(&mut follower, |seen| *seen == Seen::Entry(4))), entries(3..=4));
}

#[test]
fn what_a_power_cut_took_is_told_and_what_comes_instead_is_given_out() {
    for how in How::BOTH {
        let place = Place::new();
        let journal = place.journal();
        append(&journal, 10);
        let mut follower = place.follow(Cursor::start(), how);
        follow_to(&mut follower, |seen| *seen == Seen::Entry(10));
        drop(journal);
        // The last three were written, and never reached the disk.
        let bytes = fs::read(place.segment(1)).unwrap();
        let end = lines(&bytes)[8].0;
        fs::OpenOptions::new().write(true).open(place.segment(1)).unwrap().set_len(end as u64).unwrap();
        let stored = follower.cursor();
        let journal = place.journal();
        let last = append(&journal, 4);
        assert!(last < 14, "numbers come again: {last}");
        let seen = news(follow_to(&mut follower, |seen| *seen == Seen::Entry(last)));
        assert_eq!(seen, [vec![Seen::Rewound(7)], entries(8..=last)].concat(), "{how:?}");
        // The same for a cursor that was stored before the cut.
        let mut resumed = place.follow(stored, how);
        let seen = news(follow_to(&mut resumed, |seen| *seen == Seen::Entry(last)));
        assert_eq!(seen, [vec![Seen::Rewound(7)], entries(8..=last)].concat(), "{how:?}");
        // Having been told once, it goes on without.
        let mut resumed = place.follow(resumed.cursor(), how);
        append(&journal, 1);
        assert_eq!(
            news(follow_to(&mut resumed, |seen| *seen == Seen::Entry(last + 1))),
            entries([last + 1]),
            "{how:?}"
        );
    }
}

/// Goal: the same where nobody cut the file: the next header says where it ends.
#[test]
fn what_stands_behind_the_next_headers_seal_and_was_given_out_is_taken_back() {
    let lab = Lab::new();
    let journal = lab.open();
    append(&journal, 10);
    drop(journal);
    let mut follower = lab.store.reader(ID).unwrap().follow(Cursor::start()).unwrap();
    follow_to(&mut follower, |seen| *seen == Seen::Entry(10));
    // What recovery would have written, had it found seven.
    let mut files = lab.files();
    let first = files.get_mut(&segment(1)).unwrap();
    first.truncate(lines(first)[8].0);
    let other = Lab::with(&files);
    let last = other.append_one();
    lab.disk.set(&lab.dir.join(segment(2)), &other.files()[&segment(2)]);
    let seen = news(follow_to(&mut follower, |seen| *seen == Seen::Entry(last)));
    assert_eq!(seen, [vec![Seen::Gap(GapKind::BehindSeal, None), Seen::Rewound(7)], entries(8..=last)].concat());
}

#[test]
fn files_that_somebody_cuts_removes_or_replaces_are_told() {
    for how in How::BOTH {
        // Cut to nothing, as log rotation by copy and truncate does.
        let place = Place::new();
        let journal = place.journal();
        append(&journal, 5);
        let mut follower = place.follow(Cursor::start(), how);
        follow_to(&mut follower, |seen| *seen == Seen::CaughtUp);
        fs::OpenOptions::new().write(true).open(place.segment(1)).unwrap().set_len(0).unwrap();
        assert_eq!(follow_to(&mut follower, |seen| matches!(seen, Seen::Rewound(0))).len(), 1, "{how:?}");
        let failed = journal.append(delta(5)).unwrap().wait().unwrap_err();
        assert_eq!(failed.kind(), foldlog::ErrorKind::Removed, "{how:?}");
        drop(journal);
        let last = append(&place.journal(), 1);
        let seen = news(follow_to(&mut follower, |seen| *seen == Seen::Entry(last)));
        assert_eq!(seen, [Seen::Replaced, Seen::Entry(last)], "{how:?}: nothing is left of the journal that was cut");

        // The same length, other bytes.
        let place = Place::new();
        let journal = place.journal();
        append(&journal, 5);
        let mut follower = place.follow(Cursor::start(), how);
        follow_to(&mut follower, |seen| *seen == Seen::CaughtUp);
        let len = fs::metadata(place.segment(1)).unwrap().len() as usize;
        fs::write(place.segment(1), vec![b'x'; len]).unwrap();
        let seen = news(follow_on(&mut follower));
        assert!(seen.contains(&Seen::Rewound(0)), "{how:?}: {seen:?}");

        // Removed, with its directory; then another journal comes under the name.
        let place = Place::new();
        let journal = place.journal();
        append(&journal, 5);
        let mut follower = place.follow(Cursor::start(), how);
        follow_to(&mut follower, |seen| *seen == Seen::CaughtUp);
        drop(journal);
        fs::remove_dir_all(place.dir()).unwrap();
        let gone = follow_to(&mut follower, |seen| matches!(seen, Seen::Rewound(_)));
        assert_eq!(news(gone), [Seen::Rewound(0)], "{how:?}");
        let journal = place.journal();
        append(&journal, 2);
        let seen = news(follow_to(&mut follower, |seen| *seen == Seen::Entry(2)));
        assert_eq!(seen, [vec![Seen::Replaced], entries(1..=2)].concat(), "{how:?}");

        // Replaced while nobody looked.
        let stored = follower.cursor();
        drop((journal, follower));
        fs::remove_dir_all(place.dir()).unwrap();
        let journal = place.journal();
        append(&journal, 3);
        let mut follower = place.follow(stored, how);
        let seen = news(follow_to(&mut follower, |seen| *seen == Seen::Entry(3)));
        assert_eq!(seen, [vec![Seen::Replaced], entries(1..=3)].concat(), "{how:?}");
    }
}

#[test]
fn a_segment_that_somebody_removed_is_a_gap() {
    let files = reference(1_500);
    let names = segments(&files);
    let all = entries_of(&files);
    let of = |name: &String| lines(&files[name]).into_iter().filter_map(|(_, line)| seq_of(line)).collect::<Vec<_>>();
    let place = Place::with(&files);
    fs::remove_file(place.dir().join(&names[1])).unwrap();
    let mut follower = place.follow(Cursor::start(), How::Polls);
    let seen = news(follow_to(&mut follower, |seen| *seen == Seen::WriterGone));
    let lost = (of(&names[1])[0], *of(&names[1]).last().unwrap());
    assert!(seen.contains(&Seen::Gap(GapKind::Lost, Some(lost))), "{seen:?}");
    assert_eq!(seen.len() as u64, all.len() as u64 - (lost.1 - lost.0 + 1) + 1);
}

/// Goal: a cursor resumes exactly. Method: from every entry of a journal with many segments, through its stored form, in
/// the presence of a gap.
#[test]
fn a_cursor_that_was_stored_resumes_exactly_from_every_entry() {
    let mut files = reference(1_500);
    let names = segments(&files);
    let third = lines(&files[&names[2]])[1].0;
    files.get_mut(&names[2]).unwrap()[third + 30] ^= 1;
    let place = Place::with(&files);
    let all = news(follow_to(&mut place.follow(Cursor::start(), How::Polls), |seen| *seen == Seen::WriterGone));
    let mut follower = place.follow(Cursor::start(), How::Polls);
    let mut at = 0;
    while at < all.len() {
        let item = Seen::of(&follower.next_timeout(PATIENCE).unwrap().unwrap());
        if news(vec![item]).is_empty() {
            continue;
        }
        at += 1;
        let stored = serde_json::to_string(&follower.cursor()).unwrap();
        let cursor: Cursor = serde_json::from_str(&stored).unwrap();
        let rest = news(follow_to(&mut place.follow(cursor, How::Polls), |seen| *seen == Seen::WriterGone));
        assert_eq!(rest, all[at..], "behind {stored}");
    }
}

#[test]
fn following_starts_where_it_is_asked_to() {
    let files = reference(1_500);
    let place = Place::with(&files);
    let all: Vec<u64> = entries_of(&files).into_keys().collect();
    let last = *all.last().unwrap();
    let from = |cursor: Cursor| {
        let mut follower = place.follow(cursor, How::Polls);
        news(follow_to(&mut follower, |seen| *seen == Seen::WriterGone))
    };
    assert_eq!(from(Cursor::start()), entries(1..=last));
    assert_eq!(from(Cursor::end()), []);
    for count in [0, 1, 7, last - 1, last, last + 100] {
        assert_eq!(from(Cursor::last(count)), entries(last.saturating_sub(count) + 1..=last), "the last {count}");
    }
    for seq in [0, 1, 5, last, last + 1, last + 1_000] {
        assert_eq!(from(Cursor::from_seq(Seq::new(seq))), entries(seq.max(1)..=last), "from {seq}");
    }
    let times: Vec<_> = {
        let reader = place.store.reader(ID).unwrap();
        let (mut items, mut times) = (reader.items().unwrap(), Vec::new());
        while let Some(item) = items.next().unwrap() {
            if let Item::Entry(entry) = item {
                times.push(entry.time());
            }
        }
        times
    };
    for time in [times[0], times[9], *times.last().unwrap()] {
        let first = times.iter().position(|at| *at >= time).unwrap() as u64 + 1;
        assert_eq!(from(Cursor::since(time)), entries(first..=last), "since {time}");
    }
    assert_eq!(from(Cursor::since(foldlog::Timestamp::now())), []);
}

#[test]
fn the_end_is_where_it_was_when_following_began() {
    let place = Place::new();
    let journal = place.journal();
    append(&journal, 5);
    let mut follower = place.follow(Cursor::end(), How::Notices);
    append(&journal, 2); // before the first item is asked for
    assert_eq!(news(follow_to(&mut follower, |seen| *seen == Seen::Entry(7))), entries(6..=7));
}

/// Goal: the durable mode gives out nothing that a power cut could still take. Method: events that are written and not
/// synced for as long as nobody asks.
#[test]
fn a_durable_follower_stops_at_the_watermark_and_a_live_one_does_not() {
    let place = Place::new();
    let options = JournalOptions::default().sync_interval(Duration::from_secs(3_600));
    let journal = place.store.journal_with(ID, options).unwrap();
    append(&journal, 1);
    let mut durable = journal.follow(Cursor::start(), Durability::Synced).unwrap();
    let mut live = journal.follow(Cursor::start(), Durability::Written).unwrap();
    for number in 0..5 {
        journal.push(delta(number)).unwrap();
    }
    assert_eq!(news(follow_to(&mut live, |seen| *seen == Seen::Entry(6))), entries(1..=6));
    assert_eq!(news(follow_on(&mut durable)), entries([1]));
    assert_eq!(durable.cursor().seq(), Some(Seq::new(1)));
    journal.sync().unwrap().wait().unwrap();
    assert_eq!(news(follow_to(&mut durable, |seen| *seen == Seen::Entry(6))), entries(2..=6));
    journal.push(delta(7)).unwrap();
    journal.close().wait().unwrap();
    assert_eq!(news(follow_to(&mut durable, |seen| *seen == Seen::WriterGone)), entries(7..=8));
    // Another opening is none of its watermark's business.
    let journal = place.journal();
    append(&journal, 1);
    assert_eq!(news(follow_to(&mut durable, |seen| *seen == Seen::Entry(9))), entries([9]));
}

/// A journal tells the followers in its own process what it writes; when it is closed, the system tells of others.
#[test]
fn a_journal_that_is_closed_leaves_its_followers_to_the_systems_notices() {
    let place = Place::new();
    let journal = place.journal();
    let mut follower = journal.follow(Cursor::start(), Durability::Written).unwrap();
    assert!(follower.is_watching());
    append(&journal, 1);
    assert_eq!(news(follow_to(&mut follower, |seen| *seen == Seen::Entry(1))), entries([1]));
    journal.close().wait().unwrap();
    assert_eq!(news(follow_to(&mut follower, |seen| *seen == Seen::WriterGone)), entries([2]));
    assert!(follower.is_watching());
    let another = place.journal();
    append(&another, 1);
    assert_eq!(news(follow_to(&mut follower, |seen| *seen == Seen::Entry(3))), entries([3]));
}

#[test]
fn a_next_that_was_dropped_has_taken_nothing() {
    let place = Place::new();
    let journal = place.journal();
    append(&journal, 1);
    let mut follower = place.follow(Cursor::start(), How::Notices);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut seen = Vec::new();
    runtime.block_on(async {
        for round in 0..200 {
            // Dropped at once, or after a moment, whether it was ready or not.
            let wait = Duration::from_micros(round % 5 * 100);
            if let Ok(item) = tokio::time::timeout(wait, follower.next()).await {
                seen.push(Seen::of(&item.unwrap().unwrap()));
            }
            if round % 3 == 0 {
                journal.append(delta(1)).unwrap().await.unwrap();
            }
        }
        let last = journal.last_seq().get();
        while seen.last() != Some(&Seen::Entry(last)) {
            seen.push(Seen::of(&follower.next().await.unwrap().unwrap()));
        }
        assert_eq!(news(seen), entries(1..=last));
    });
}

#[test]
fn a_follower_may_come_before_the_session() {
    for how in How::BOTH {
        let place = Place::new();
        let mut follower = how.apply(place.store.follow(ID, Cursor::end()).unwrap());
        assert_eq!(follow_on(&mut follower), [Seen::CaughtUp, Seen::WriterGone], "{how:?}");
        let journal = place.journal();
        append(&journal, 2);
        assert_eq!(news(follow_to(&mut follower, |seen| *seen == Seen::Entry(2))), entries(1..=2), "{how:?}");
    }
}

/// Goal: a list that shows a later segment and not the one before it loses nothing, for followers and for readers. Method:
/// every set of one or two segments is hidden from lists.
#[test]
fn segments_that_a_list_leaves_out_are_found_all_the_same() {
    let files = reference(1_500);
    let names = segments(&files);
    let lab = Lab::with(&files);
    let disk = Faulty::new(lab.disk.clone());
    let store = Store::open_on(disk.clone(), "/lab").unwrap();
    let all = entries(entries_of(&files).into_keys());
    for first in 0..names.len() - 1 {
        for second in first..names.len() - 1 {
            disk.hide(&[names[first].clone(), names[second].clone()]);
            let follower = store.follow(ID, Cursor::start()).unwrap();
            let seen = follow_to(&mut follower.poll_every(Duration::from_millis(1)), |seen| *seen == Seen::WriterGone);
            assert_eq!(news(seen), all, "without {} and {}", names[first], names[second]);
            assert!(store.reader(ID).unwrap().verify().unwrap().clean, "{} and {}", names[first], names[second]);
        }
    }
}

/// Goal: a recovery's report explains what it cut, also to a follower that looks while the report is being written.
/// Method: the new segment appears header first, and with its report only later.
#[test]
fn a_segment_is_taken_with_its_first_entry() {
    let lab = Lab::new();
    let journal = lab.open();
    append(&journal, 5);
    drop(journal);
    let mut files = lab.files();
    let whole = files[&segment(1)].len();
    files.get_mut(&segment(1)).unwrap().extend_from_slice(&[b'x'; 300]); // three numbers' worth of a torn tail
    lab.put(&files);
    let mut follower =
        lab.store.reader(ID).unwrap().follow(Cursor::start()).unwrap().poll_every(Duration::from_secs(60));
    assert_eq!(news(follow_to(&mut follower, |seen| *seen == Seen::Entry(5))), entries(1..=5));
    let other = Lab::with(&files);
    let last = other.append_one();
    let second = &other.files()[&segment(2)];
    let header = lines(second)[1].0;
    let recovering = lab.disk.open_dir(&lab.dir).unwrap().open("LOCK", Access::Lock).unwrap();
    assert!(recovering.try_lock(true).unwrap());
    lab.disk.overwrite(&lab.dir.join(segment(1)), &files[&segment(1)][..whole]);
    lab.disk.set(&lab.dir.join(segment(2)), &second[..header]);
    let mut follower = follower.poll_every(Duration::from_millis(1));
    let early = follower.next_timeout(Duration::from_millis(200)).map(|item| Seen::of(&item.unwrap()));
    assert!(matches!(early, None | Some(Seen::CaughtUp)), "{early:?}");
    lab.disk.append(&lab.dir.join(segment(2)), &second[header..]);
    let seen = news(follow_to(&mut follower, |seen| *seen == Seen::Entry(last)));
    assert!(matches!(seen[..], [Seen::Explained(_, Some((6, _))), ..]), "{seen:?}");
    assert!(!seen.iter().any(|seen| matches!(seen, Seen::Gap(..))), "{seen:?}");
}

/// Goal: memory and files do not grow with the number of segments that were followed.
#[test]
fn a_follower_holds_one_file() {
    let place = Place::new();
    let options = JournalOptions::default().segment_bytes(1_000);
    let journal = place.store.journal_with(ID, options).unwrap();
    append(&journal, 1);
    let mut follower = place.follow(Cursor::start(), How::Notices);
    let open = || {
        let files = fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        files.filter(|path| path.starts_with(place.dir()) && path.extension().is_some()).count()
    };
    let last = append(&journal, 200);
    follow_to(&mut follower, |seen| *seen == Seen::Entry(last));
    let segments = fs::read_dir(place.dir()).unwrap().count();
    assert!(segments > 50, "{segments} files");
    assert!(open() <= 3, "{} files are open", open()); // the writer's, and the follower's, which may be between two
}

/// Goal: whatever happens to the files, an item tells of it, and following goes on. Method: a follower beside somebody who
/// cuts, overwrites, appends, removes and restores at random; at the end the files are whole, and so is what a new follower
/// sees. What is given out is never torn, and never out of order but behind a `Rewound` or `Replaced`.
#[test]
fn vandals_cannot_make_a_follower_hang_or_invent() {
    let mut dice = Dice::new("vandals");
    let files = reference(1_500);
    let originals = entries_of(&files);
    for _ in 0..60 {
        let lab = Lab::with(&files);
        let mut follower =
            lab.store.reader(ID).unwrap().follow(Cursor::start()).unwrap().poll_every(Duration::from_micros(50));
        let mut last = 0;
        for _ in 0..12 {
            for _ in 0..dice.below(40) {
                let Some(item) = follower.next_timeout(Duration::from_millis(2)) else { break };
                match item {
                    Ok(Item::Entry(entry)) => {
                        assert_eq!(Some(entry.line().as_bytes()), originals.get(&entry.seq().get()).map(Vec::as_slice));
                        assert!(entry.seq().get() > last, "{} after {last}", entry.seq());
                        last = entry.seq().get();
                    }
                    Ok(Item::Rewound(seq)) => last = seq.get(),
                    Ok(Item::Replaced) => last = 0,
                    _ => {}
                }
            }
            let names = segments(&lab.files());
            let name = if names.is_empty() { segment(1) } else { names[dice.below(names.len())].clone() };
            let path = lab.dir.join(&name);
            let mut bytes = lab.files().get(&name).cloned().unwrap_or_default();
            match dice.below(6) {
                0 => bytes.truncate(dice.below(bytes.len() + 1)),
                1 => bytes.extend_from_slice(&vec![0; dice.below(200)]),
                2 if !bytes.is_empty() => {
                    let at = dice.below(bytes.len());
                    bytes[at] ^= 1 << dice.below(8);
                }
                3 => bytes.extend_from_slice(b"noise\n{\"seq\":"),
                4 => lab.disk.restore(&lab.dir, &BTreeMap::new()),
                _ => lab.put(&files),
            }
            match dice.below(2) {
                0 => lab.disk.set(&path, &bytes),
                _ => lab.disk.overwrite(&path, &bytes),
            }
        }
        lab.put(&files);
        let mut follower =
            lab.store.reader(ID).unwrap().follow(follower.cursor()).unwrap().poll_every(Duration::from_micros(50));
        follow_to(&mut follower, |seen| *seen == Seen::WriterGone);
        let fresh = lab.store.reader(ID).unwrap().follow(Cursor::start()).unwrap();
        let seen = news(follow_to(&mut fresh.poll_every(Duration::from_micros(50)), |seen| *seen == Seen::WriterGone));
        assert_eq!(seen, entries(originals.keys().copied()));
    }
}

#[test]
fn one_stretch_of_items_does_not_starve_other_tasks() {
    let place = Place::new();
    let journal = place.journal();
    for number in 0..5_000 {
        journal.push(TextDelta::new("t-1", format!("{number}"))).unwrap();
    }
    journal.sync().unwrap().wait().unwrap();
    let mut follower = place.follow(Cursor::start(), How::Notices);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let turns = runtime.block_on(async {
        let other = tokio::spawn(async {
            let mut turns = 0;
            loop {
                turns += 1;
                tokio::task::yield_now().await;
                if turns > 10 {
                    return turns;
                }
            }
        });
        loop {
            if other.is_finished() {
                return other.await.unwrap();
            }
            match follower.next().await.unwrap().unwrap() {
                Item::CaughtUp => return 0,
                _ => continue,
            }
        }
    });
    assert!(turns > 10, "the follower went through 5,000 entries without a pause");
}

#[test]
fn a_disk_storage_knows_where_notices_come_from() {
    use foldlog::Storage;
    let root = tempfile::tempdir().unwrap();
    assert!(DiskStorage.tells_of_changes(root.path()).is_some());
    assert!(DiskStorage.tells_of_changes(Path::new("/proc/nowhere")).is_none());
}
