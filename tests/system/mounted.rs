//! Small disks that are full, as the kernel has them.

use crate::patience::{in_time, until};
use crate::recorder::{Recorder, note, reader, recorded};
use crate::support::{ID, Reading};
use crate::tools::Tmpfs;
use foldlog::{Health, JournalOptions, OnFull, Store, TextDelta, Ticket};
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// A small disk that is nearly full.
struct SmallDisk<'a> {
    at: &'a Path,
    _mounted: Tmpfs<'a>,
}

impl SmallDisk<'_> {
    fn mount(at: &Path) -> SmallDisk<'_> {
        let mounted = Tmpfs::mount(at, "size=400k");
        fs::write(at.join("filler"), vec![b'x'; 300_000]).unwrap();
        SmallDisk { at, _mounted: mounted }
    }

    fn make_room(&self) {
        fs::remove_file(self.at.join("filler")).unwrap();
    }
}

fn long_deltas(recorder: &mut Recorder, count: u64) {
    let text = "é".repeat(500);
    for number in 0..count {
        let data = json!({"turn_id": "t-1", "text": format!("{number} {text}")});
        assert!(recorder.event(&json!({"type": "text_delta", "data": data})));
    }
}

fn is_full(reply: &Value) -> bool {
    reply["waiting"] == "disk full"
}

fn is_over(reply: &Value) -> bool {
    reply.get("waiting").is_some_and(Value::is_null)
}

/// Goal: while it waits for space a recorder can be ended, in bounded time: what was acknowledged is there, every other line
/// is answered with an error, people are told which entries are missing, and the exit code is 7. Method: a small tmpfs that
/// stays full; the signal comes before the end of input, and after it.
#[test]
fn a_signal_ends_the_wait_for_space() {
    for (signal, input_ends) in [(Signal::TERM, false), (Signal::HUP, true)] {
        let place = tempfile::tempdir().unwrap();
        let disk = SmallDisk::mount(place.path());
        let mut recorder = Recorder::start(disk.at, &["s", "--ack"]);
        long_deltas(&mut recorder, 200);
        recorder.wait_for("word of the full disk", is_full);
        let open = if input_ends { None } else { recorder.stdin.take() };
        drop(recorder.stdin.take());
        std::thread::sleep(Duration::from_millis(100)); // so that an end of input has been seen
        let told = Instant::now();
        kill_process(recorder.pid(), signal).unwrap();
        let (status, replies, words) = recorder.end();
        drop(open);
        assert!(told.elapsed() < Duration::from_secs(30), "{:?}", told.elapsed());
        assert_eq!(status.code(), Some(7), "{words}");
        let safe =
            replies.iter().filter(|reply| reply["seq"].is_u64()).filter_map(|reply| reply["line"].as_u64()).max();
        let safe = safe.unwrap();
        let refused: Vec<u64> = replies
            .iter()
            .filter(|reply| reply["error"].is_string())
            .map(|reply| reply["line"].as_u64().unwrap())
            .collect();
        assert_eq!(refused, (safe + 1..=200).collect::<Vec<u64>>(), "{words}");
        assert!(replies.iter().any(is_over), "the wait is over: {replies:?}");
        let last = safe + 1; // `session_started` is the first
        assert!(words.contains(&format!("entries {} to 201 were not recorded", last + 1)), "{words}");
        assert!(words.contains("told to end"), "{words}");
        assert_eq!(recorded(disk.at, "s").len() as u64, last);
        disk.make_room();
        let mut recorder = Recorder::start(disk.at, &["s", "--ack"]);
        assert_eq!(recorder.ready()["last_seq"], last);
        recorder.event(&note(1));
        assert_eq!(recorder.end().0.code(), Some(0));
    }
}

/// Goal: a client that reads that the disk is full reads later that it is not, though the input has ended meanwhile.
#[test]
fn the_end_of_a_wait_is_said_also_after_the_end_of_input() {
    let place = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mount(place.path());
    let mut recorder = Recorder::start(disk.at, &["s", "--ack"]);
    long_deltas(&mut recorder, 200);
    drop(recorder.stdin.take());
    recorder.wait_for("word of the full disk", is_full);
    disk.make_room();
    let (status, replies, words) = recorder.end();
    assert_eq!(status.code(), Some(0), "{words}");
    let full = replies.iter().rposition(is_full).unwrap();
    assert!(replies[full..].iter().any(is_over), "{replies:?}");
    assert_eq!(replies.iter().filter_map(|reply| reply["line"].as_u64()).max(), Some(200));
}

/// Goal: also a recorder that waits for space sees within about a second that its files are gone. Method: a small tmpfs that
/// stays full; the session's directory, its lock and its segment are moved away, the directory removed.
#[test]
fn files_that_are_gone_end_the_wait_for_space() {
    let harms: [fn(&Path); 4] = [
        |dir| fs::rename(dir, dir.with_extension("old")).unwrap(),
        |dir| fs::remove_file(dir.join("LOCK")).unwrap(),
        |dir| fs::rename(dir.join("00000001.jsonl"), dir.join("elsewhere")).unwrap(),
        |dir| fs::remove_dir_all(dir).unwrap(),
    ];
    for harm in harms {
        let place = tempfile::tempdir().unwrap();
        let disk = SmallDisk::mount(place.path());
        let mut recorder = Recorder::start(disk.at, &["s", "--ack"]);
        long_deltas(&mut recorder, 200);
        recorder.wait_for("word of the full disk", is_full);
        harm(&disk.at.join("s"));
        let open = recorder.stdin.take();
        let begun = Instant::now();
        while recorder.child.try_wait().unwrap().is_none() {
            if begun.elapsed() > Duration::from_secs(20) {
                recorder.child.kill().unwrap();
                panic!("it waits on");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let (status, _, words) = recorder.end();
        drop(open);
        assert_eq!(status.code(), Some(7), "{words}");
        assert!(words.contains("was removed, replaced or moved away"), "{words}");
    }
}

/// Goal: a full disk is said at once, everything waits, nothing is lost, and recording goes on by itself.
/// Method: a small tmpfs with a file in it that is removed later.
#[test]
fn a_full_disk_is_waited_for() {
    let place = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mount(place.path());
    let mut recorder = Recorder::start(disk.at, &["s", "--ack"]);
    long_deltas(&mut recorder, 200);
    recorder.wait_for("word of the full disk", is_full);
    let while_full = reader(disk.at, "s").verify().unwrap();
    assert!(while_full.clean && while_full.entries > 0, "reading goes on: {while_full:?}");
    disk.make_room();
    recorder.wait_for("word of space", is_over);
    recorder.ack(200);
    let (status, _, words) = recorder.end();
    assert_eq!(status.code(), Some(0), "{words}");
    assert!(words.contains("the disk is full; waiting"), "{words}");
    assert_eq!(recorded(disk.at, "s").len(), 202, "session_started, 200 deltas, journal_closed");
}

#[test]
fn a_small_real_disk_that_is_full_is_waited_for() {
    // Goal: the same on a real file system. Method: a small tmpfs, filled up.
    let mount = tempfile::tempdir().unwrap();
    let _mounted = Tmpfs::mount(mount.path(), "size=256k");
    let ballast = mount.path().join("ballast");
    std::fs::write(&ballast, vec![0; 200 << 10]).unwrap();
    let store = Store::open(mount.path()).unwrap();
    let journal = store.journal_with(ID, JournalOptions::default().on_full(OnFull::Wait)).unwrap();
    let text = "x".repeat(1000);
    let tickets: Vec<Ticket> = (0..100).map(|_| journal.append(TextDelta::new("t", &text)).unwrap()).collect();
    until("full", || matches!(journal.health(), Health::StorageFull));
    let while_full = Reading::of(&store.reader(ID).unwrap());
    assert!(while_full.gaps.is_empty(), "only whole lines stay: {:?}", while_full.gaps);
    std::fs::remove_file(&ballast).unwrap();
    for ticket in tickets {
        in_time("a ticket", move || ticket.wait()).unwrap();
    }
    journal.close().wait().unwrap();
    let reading = Reading::of(&store.reader(ID).unwrap());
    assert!(reading.gaps.is_empty() && reading.entries.len() == 101, "{:?}", reading.gaps);
}
