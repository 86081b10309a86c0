//! Following all sessions of a store.

use crate::follow::{How, Seen};
use crate::patience::{PATIENCE, delta};
use foldlog::{Cursor, Store, StoreCursor, StoreFollower};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

type PerSession = BTreeMap<String, Vec<u64>>;

/// Gathers entries by session until `done`.
fn gather(follower: &mut StoreFollower, seen: &mut PerSession, done: impl Fn(&PerSession) -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !done(seen) {
        let left = give_up.saturating_duration_since(Instant::now());
        let Some(item) = follower.next_timeout(left) else { panic!("that was all: {seen:?}") };
        let (session, item) = item.unwrap();
        if let Seen::Entry(seq) = Seen::of(&item) {
            seen.entry(session.to_string()).or_default().push(seq);
        }
    }
}

fn all_of(seen: &PerSession, session: &str, last: u64) -> bool {
    seen.get(session).is_some_and(|seqs| seqs.last() == Some(&last))
}

fn append(store: &Store, session: &str, count: usize) -> u64 {
    let journal = store.journal(session).unwrap();
    for number in 0..count {
        journal.append(delta(number)).unwrap().wait().unwrap();
    }
    journal.close().wait().unwrap();
    journal.last_seq().get()
}

#[test]
fn sessions_that_are_there_and_those_that_appear_are_one_stream() {
    for how in How::BOTH {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path().join("not there yet")).unwrap();
        let mut follower = store.follow_all(Cursor::start()).unwrap();
        if how == How::Polls {
            follower = follower.poll_every(Duration::from_millis(5));
        }
        assert!(follower.next_timeout(Duration::from_millis(50)).is_none());
        let mut seen = PerSession::new();
        // Odd ids too: a directory's name is not the session's.
        for (session, count) in [("s-1", 3), ("ü/..", 5), (".hidden", 2)] {
            let last = append(&store, session, count);
            gather(&mut follower, &mut seen, |seen| all_of(seen, session, last));
            assert_eq!(seen[session], (1..=last).collect::<Vec<_>>(), "{how:?}");
        }
        // One that goes on, while another is recorded beside it.
        let (first, last) = std::thread::scope(|scope| {
            let other = scope.spawn(|| append(&store, "s-2", 200));
            (append(&store, "s-1", 100), other.join().unwrap())
        });
        gather(&mut follower, &mut seen, |seen| all_of(seen, "s-1", first) && all_of(seen, "s-2", last));
        assert_eq!(seen["s-1"], (1..=first).collect::<Vec<_>>(), "{how:?}");
        assert_eq!(seen["s-2"], (1..=last).collect::<Vec<_>>(), "{how:?}");
    }
}

#[test]
fn a_stored_cursor_resumes_every_session_and_finds_those_that_came_meanwhile() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let last = append(&store, "s-1", 5);
    let mut follower = store.follow_all(Cursor::start()).unwrap();
    let mut seen = PerSession::new();
    gather(&mut follower, &mut seen, |seen| all_of(seen, "s-1", last));
    let stored = serde_json::to_string(&follower.cursor()).unwrap();
    drop(follower);
    let (first, second) = (append(&store, "s-1", 3), append(&store, "s-2", 4));
    let cursor: StoreCursor = serde_json::from_str(&stored).unwrap();
    let mut follower = store.follow_all(cursor).unwrap();
    gather(&mut follower, &mut seen, |seen| all_of(seen, "s-1", first) && all_of(seen, "s-2", second));
    assert_eq!(seen["s-1"], (1..=first).collect::<Vec<_>>());
    assert_eq!(seen["s-2"], (1..=second).collect::<Vec<_>>());
}

#[test]
fn from_the_end_only_news_come_and_new_sessions_whole() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let old = append(&store, "s-1", 5);
    let mut follower = store.follow_all(Cursor::end()).unwrap();
    let last = append(&store, "s-1", 2);
    let new = append(&store, "s-2", 2);
    let mut seen = PerSession::new();
    gather(&mut follower, &mut seen, |seen| all_of(seen, "s-1", last) && all_of(seen, "s-2", new));
    assert_eq!(seen["s-1"], (old + 1..=last).collect::<Vec<_>>());
    assert_eq!(seen["s-2"], (1..=new).collect::<Vec<_>>());
}

#[test]
fn a_session_that_is_removed_is_told_and_its_successor_followed() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    append(&store, "s-1", 5);
    let mut follower = store.follow_all(Cursor::end()).unwrap();
    store.delete("s-1").unwrap();
    let give_up = Instant::now() + PATIENCE;
    loop {
        let left = give_up.saturating_duration_since(Instant::now());
        let (session, item) = follower.next_timeout(left).expect("it was not told").unwrap();
        assert_eq!(session.as_str(), "s-1");
        if Seen::of(&item) == Seen::Rewound(0) {
            break;
        }
    }
    let last = append(&store, "s-1", 2);
    let mut seen = PerSession::new();
    gather(&mut follower, &mut seen, |seen| all_of(seen, "s-1", last));
    assert_eq!(seen["s-1"], (1..=last).collect::<Vec<_>>());
}

/// Goal: idle sessions cost no file and little memory. Method: more sessions than files may be open for them.
#[test]
fn a_thousand_idle_sessions_hold_no_files_open() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    for number in 0..1_000 {
        let journal = store.journal(format!("s-{number}")).unwrap();
        journal.push(delta(number)).unwrap();
        drop(journal);
    }
    let mut follower = store.follow_all(Cursor::end()).unwrap().poll_every(Duration::from_millis(100));
    let open = || {
        let files = std::fs::read_dir("/proc/self/fd").unwrap();
        let files = files.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        files.filter(|path| path.starts_with(root.path())).count()
    };
    let give_up = Instant::now() + PATIENCE;
    while open() > 20 {
        assert!(Instant::now() < give_up, "{} files are open", open());
        let _ = follower.next_timeout(Duration::from_millis(300));
    }
    let last = append(&store, "s-500", 3);
    let mut seen = PerSession::new();
    gather(&mut follower, &mut seen, |seen| all_of(seen, "s-500", last));
    assert_eq!(seen["s-500"], (2..=last).collect::<Vec<_>>());
}
