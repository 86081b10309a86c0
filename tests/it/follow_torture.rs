//! Sixteen followers, in this process and in others, beside a writer at full speed that rolls over, dies and comes back,
//! and a compaction that never stops.
//!
//! A short run by default. The long one, with notices and without:
//! `FOLDLOG_FOLLOW_ROLLOVERS=1000 cargo test --release --test it follow_torture -- --nocapture`

use crate::follow::How;
use crate::patience::{delta, until};
use crate::support::{Dice, ID, child, child_place, crc32, entries_of};
use foldlog::{
    CompactOptions, Cursor, Custom, Durability, ErrorKind, GapKind, Item, Journal, JournalOptions, Json, Store,
};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The event after which everybody stops.
const END: &str = "the end";
/// How many segments a short run makes.
const ROLLOVERS: u64 = 120;
/// After this, a follower is taken for hanging.
const HANGING: Duration = Duration::from_secs(120);

/// A process that does not outlive the test, however that ends.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a follower has been given: numbers and the checksums of lines.
type Given = Vec<(u64, u32)>;

/// Set for writers that write over line feeds.
const PREFILLS: &str = "FOLDLOG_TEST_PREFILLS";

fn options() -> JournalOptions {
    let options = JournalOptions::default().segment_bytes(6_000).durability(Durability::Written);
    options.prefill(if std::env::var_os(PREFILLS).is_some() { 2_000 } else { 0 })
}

/// Opens the journal, as soon as the compaction lets go of its newest segment.
fn open(store: &Store) -> Journal {
    loop {
        match store.journal_with(ID, options()) {
            Err(error) if error.kind() == ErrorKind::Locked => {}
            opened => return opened.unwrap(),
        }
    }
}

/// Follows to the end.
fn follow(root: &Path, how: How, slow: bool) -> Given {
    let store = Store::open(root).unwrap();
    let mut follower = how.apply(store.follow(ID, Cursor::start()).unwrap());
    let mut given = Given::new();
    loop {
        match follower.next_timeout(HANGING).expect("it hangs").unwrap() {
            Item::Entry(entry) => {
                given.push((entry.seq().get(), crc32(entry.line().as_bytes())));
                if entry.type_name() == "custom" && entry.data().contains(END) {
                    return given;
                }
                if slow && entry.seq().get().is_multiple_of(50) {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            // Half a line of a dead writer, before the next one cuts it, is damage to whoever looks often enough.
            Item::Gap(gap) if how == How::Polls && gap.kind == GapKind::Torn && gap.first_seq.is_none() => {}
            Item::Gap(gap) => assert!(gap.explained, "{gap}"),
            item @ (Item::Rewound(_) | Item::Replaced) => panic!("{item:?}"),
            _ => {}
        }
        // Resumes now and then from its cursor, as after a restart.
        if given.len() % 997 == 996 && slow {
            follower = how.apply(store.follow(ID, follower.cursor()).unwrap());
        }
    }
}

#[test]
fn child_that_writes_at_full_speed() {
    let Some(place) = child_place() else { return };
    let journal = open(&Store::open(place).unwrap());
    for number in 0.. {
        match journal.push(delta(number)) {
            Ok(_) => {}
            Err(refused) if refused.error().kind() == ErrorKind::Backlog => std::thread::yield_now(),
            Err(refused) => panic!("{refused}"),
        }
        if number % 400 == 399 {
            // The followers share two cores with it: they shall come after it, not minutes later.
            std::thread::sleep(Duration::from_millis(3));
        }
    }
}

#[test]
fn child_that_follows() {
    let Some(place) = child_place() else { return };
    let how = if std::env::var_os("FOLDLOG_TEST_POLLS").is_some() { How::Polls } else { How::Notices };
    let given = follow(&place, how, false);
    let text: String = given.iter().map(|(seq, crc)| format!("{seq} {crc}\n")).collect();
    fs::write(place.join(format!("given.{}", std::process::id())), text).unwrap();
}

fn stop_and_continue(child: &Child, pause: Duration) {
    let pid = Pid::from_child(child);
    kill_process(pid, Signal::STOP).unwrap();
    std::thread::sleep(pause);
    kill_process(pid, Signal::CONT).unwrap();
}

/// Goal: 0 missed, 0 twice, 0 torn, the same order everywhere. Method: all that each follower was given is compared with
/// the lines on disk, found by code that shares nothing with the library.
fn torture(how: How) {
    let rollovers = std::env::var("FOLDLOG_FOLLOW_ROLLOVERS").ok().and_then(|count| count.parse().ok());
    let rollovers: u64 = rollovers.unwrap_or(ROLLOVERS);
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join(ID);
    let mut dice = Dice::new("follow torture");
    let mut others: Vec<Process> = (0..7)
        .map(|_| {
            let mut command = child("follow_torture::child_that_follows", root.path());
            command.stderr(Stdio::inherit()); // a child that fails says why
            if how == How::Polls {
                command.env("FOLDLOG_TEST_POLLS", "1");
            }
            Process(command.spawn().unwrap())
        })
        .collect();
    let printed = fs::File::create(root.path().join("printed")).unwrap();
    let polls: &[&str] = if how == How::Polls { &["--poll", "5ms"] } else { &[] };
    let tail = Command::new(env!("CARGO_BIN_EXE_foldlog"))
        .arg("--root")
        .arg(root.path())
        .args(["tail", "-f", "--json", "--from", "1", ID])
        .args(polls)
        .stdout(printed)
        .stderr(Stdio::null())
        .spawn();
    let mut tail = Process(tail.unwrap());
    // The highest number: compaction merges what it finds.
    let segments = || {
        let names =
            fs::read_dir(&dir).into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter_map(|name| name.strip_suffix(".jsonl")?.parse().ok()).max().unwrap_or(0)
    };
    let (done, compactions) = (AtomicBool::new(false), AtomicU64::new(0));
    let (given, deaths) = std::thread::scope(|scope| {
        scope.spawn(|| {
            let (store, options) = (Store::open(root.path()).unwrap(), CompactOptions::default().segment_bytes(50_000));
            while !done.load(Ordering::SeqCst) {
                if let Ok(report) = store.compact_with(ID, &options, &mut |_| {}) {
                    compactions.fetch_add(u64::from(!report.merged.is_empty()), Ordering::SeqCst);
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let here: Vec<_> = (0..8)
            .map(|number| {
                scope.spawn({
                    let root = root.path();
                    move || follow(root, how, number == 0)
                })
            })
            .collect();
        let mut deaths = 0;
        while segments() < rollovers {
            let mut command = child("follow_torture::child_that_writes_at_full_speed", root.path());
            if deaths % 2 == 1 {
                command.env(PREFILLS, "1");
            }
            let mut writer = command.spawn().unwrap();
            let (enough, give_up) = (segments() + 1 + dice.below(40) as u64, Instant::now() + HANGING);
            while segments() < enough {
                assert!(Instant::now() < give_up, "the writer hangs");
                std::thread::sleep(Duration::from_millis(1));
            }
            if deaths == 1 {
                stop_and_continue(&others[0].0, Duration::from_secs(2));
            }
            if deaths == 2 {
                stop_and_continue(&writer, Duration::from_millis(500)); // a silent writer is no dead one
            }
            writer.kill().unwrap();
            writer.wait().unwrap();
            deaths += 1;
        }
        done.store(true, Ordering::SeqCst);
        let journal = open(&Store::open(root.path()).unwrap());
        journal.append(Custom::new("note", Json::string(END))).unwrap().wait().unwrap();
        journal.append(foldlog::SessionEnded::new()).unwrap().wait().unwrap();
        journal.close().wait().unwrap();
        (here.into_iter().map(|follower| follower.join().unwrap()).collect::<Vec<Given>>(), deaths)
    });
    let files: BTreeMap<String, Vec<u8>> = fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    let entries = entries_of(&files);
    let end = entries.iter().find(|(_, line)| String::from_utf8_lossy(line).contains(END)).unwrap();
    let truth: Given = entries.range(..=end.0).map(|(seq, line)| (*seq, crc32(line))).collect();
    let mut all = given;
    for other in &mut others {
        assert!(other.0.wait().unwrap().success());
        let text = fs::read_to_string(root.path().join(format!("given.{}", other.0.id()))).unwrap();
        let pairs = text.lines().map(|line| line.split_once(' ').unwrap());
        all.push(pairs.map(|(seq, crc)| (seq.parse().unwrap(), crc.parse().unwrap())).collect());
    }
    let printed = || fs::read_to_string(root.path().join("printed")).unwrap();
    until("the program has printed the end", || printed().contains(END));
    kill_process(Pid::from_child(&tail.0), Signal::INT).unwrap();
    assert!(tail.0.wait().unwrap().success());
    let printed = printed();
    let printed =
        printed.lines().map(|line| (crate::support::seq_of(line.as_bytes()).unwrap(), crc32(line.as_bytes())));
    all.push(printed.take_while(|(seq, _)| seq <= end.0).collect());
    assert_eq!(all.len(), 16);
    for (number, given) in all.iter().enumerate() {
        let differs = given.iter().zip(&truth).position(|(given, truth)| given != truth);
        assert_eq!((given.len(), differs), (truth.len(), None), "follower {number}");
    }
    let made = segments();
    let _ = writeln!(
        std::io::stdout(),
        "{how:?}: 16 followers of {} entries in {made} segments, {deaths} times kill -9, {} compactions: none missed, twice or \
         torn",
        truth.len(),
        compactions.load(Ordering::SeqCst)
    );
}

#[test]
fn sixteen_followers_miss_nothing_with_notices() {
    torture(How::Notices);
}

#[test]
fn sixteen_followers_miss_nothing_by_polling_alone() {
    torture(How::Polls);
}
