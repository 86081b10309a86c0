//! Limits, clocks, frozen directories, second names and missing notices: each once, on the real kernel.

use super::child::{ID, Role, acknowledgement};
use super::kills::{check, goes_on};
use super::mount::{Kind, Mounted, workshop};
use crate::part::{Outcome, Part, Scope, Tally};
use foldlog::{Cursor, Error, ErrorKind, Health, Item, JournalOptions, Store, TextDelta};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub const CONDITIONS: Part = Part {
    name: "conditions",
    unit: "conditions",
    needs_system: true,
    what: "limits of a process, odd clocks, frozen directories, second names, missing notices",
    slice: 40,
    full: u64::MAX,
    run: conditions,
};

/// More than this many asks for what changes the settings of the whole machine for a moment.
const MODEST: u64 = 1_000;

fn conditions(scope: &Scope) -> Outcome {
    let (mut tally, mut missing) = (Tally::default(), Vec::new());
    let all = scope.goes_on(MODEST);
    let step = if all { 1 } else { 4 };
    for limit in (3..24).step_by(step) {
        run_limited(&format!("ulimit -n {limit}"), &mut tally);
    }
    for blocks in (1..6).step_by(step) {
        run_limited(&format!("trap '' XFSZ; ulimit -f {blocks}"), &mut tally);
    }
    for (name, condition) in CHECKS {
        match condition() {
            Ok(promised) => {
                tally.acknowledged += promised;
                tally.done += 1;
            }
            Err(why) => missing.push(format!("{name} ({why})")),
        }
    }
    if all {
        for (setting, value) in [("max_user_instances", "0"), ("max_user_watches", "0"), ("max_queued_events", "16")] {
            match notices(setting, value) {
                Ok(entries) => {
                    tally.acknowledged += entries;
                    tally.done += 1;
                }
                Err(why) => missing.push(format!("{setting} ({why})")),
            }
        }
    }
    match missing.is_empty() {
        true => Outcome::Held(tally),
        false => Outcome::Missing(missing.join(", ")),
    }
}

type Check = fn() -> Result<u64, String>;

const CHECKS: &[(&str, Check)] = &[
    ("an immutable directory", immutable_directory),
    ("a second name of a directory", second_name),
    ("odd clocks", odd_clocks),
    ("a read-only file system", read_only),
];

/// Runs the recording child in a shell that has set a limit: it may fail, and what it was told is there.
fn run_limited(limit: &str, tally: &mut Tally) {
    let root = tempfile::tempdir().unwrap();
    let child = Role::Record.command(root.path(), 1);
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{limit}; exec \"$0\" \"$@\"")]).arg(child.get_program()).args(child.get_args());
    tally.acknowledged += ends_well_enough(&mut shell, &child, root.path(), limit);
    tally.done += 1;
}

/// Runs a command that is a child with something in front, and checks what it was told.
fn ends_well_enough(command: &mut Command, child: &Command, root: &Path, what: &str) -> u64 {
    command.envs(child.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let promised: BTreeMap<u64, String> = said.lines().filter_map(acknowledgement).collect();
    let store = Store::open(root).unwrap();
    check(&store, &promised, 1, what);
    goes_on(&store, &promised, what);
    promised.len() as u64
}

/// No new segment can be made: the journal fails, says so, and goes on once it is reopened.
fn immutable_directory() -> Result<u64, String> {
    struct Frozen(PathBuf);
    impl Drop for Frozen {
        fn drop(&mut self) {
            let _ = Command::new("chattr").arg("-i").arg(&self.0).status();
        }
    }
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let journal = store.journal_with(ID, JournalOptions::default().segment_bytes(1_500)).unwrap();
    journal.append(TextDelta::new("a", "before")).unwrap().wait().unwrap();
    let frozen = Frozen(root.path().join(ID));
    let status = Command::new("chattr").arg("+i").arg(&frozen.0).output();
    if !status.is_ok_and(|output| output.status.success()) {
        return Err("no chattr here".to_owned());
    }
    let mut written = 0;
    while journal.append(TextDelta::new("a", "x".repeat(400))).is_ok_and(|ticket| ticket.wait().is_ok()) {
        written += 1;
        assert!(written < 100, "a new segment was made in a directory that is frozen");
    }
    assert!(matches!(journal.health(), Health::Failed(_)), "{:?}", journal.health());
    drop(frozen);
    journal.reopen().unwrap();
    journal.append(TextDelta::new("a", "after")).unwrap().wait().unwrap();
    journal.close().wait().unwrap();
    let report = store.reader(ID).unwrap().verify().unwrap();
    assert!(report.clean && report.entries >= written + 2, "{report:#?}");
    Ok(written + 2)
}

/// The lock is the file's, whatever the way to it.
fn second_name() -> Result<u64, String> {
    struct Bound(PathBuf);
    impl Drop for Bound {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg(&self.0).status();
        }
    }
    let (root, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let bound = Command::new("mount").arg("--bind").arg(root.path()).arg(other.path()).output();
    if !bound.is_ok_and(|output| output.status.success()) {
        return Err("no bind mounts here".to_owned());
    }
    let bound = Bound(other.path().to_owned());
    let journal = Store::open(root.path()).unwrap().journal(ID).unwrap();
    let second = Store::open(&bound.0).unwrap().journal(ID);
    assert_eq!(second.map(drop).unwrap_err().kind(), ErrorKind::Locked);
    journal.append(TextDelta::new("a", "")).unwrap().wait().unwrap();
    journal.close().wait().unwrap();
    Ok(1)
}

/// Numbers order events, whatever the clock says.
fn odd_clocks() -> Result<u64, String> {
    if !Command::new("faketime").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return Err("no faketime".to_owned());
    }
    let root = tempfile::tempdir().unwrap();
    let mut promised = 0;
    // The last two go by a day, or go back by one, whenever somebody looks.
    let times = ["2100-01-01 00:00:00", "1970-01-02 00:00:00", "2016-12-31 23:59:59"].map(|time| format!("@{time}"));
    let jumps = ["i86400", "i-86400"].map(|step| format!("@2026-01-01 00:00:00 {step}"));
    for time in times.iter().chain(&jumps) {
        let child = Role::Record.command(root.path(), 1);
        let mut faked = Command::new("faketime");
        faked.args(["-f", time]).arg(child.get_program()).args(child.get_args()).env("DONT_FAKE_MONOTONIC", "1");
        promised += ends_well_enough(&mut faked, &child, root.path(), time);
    }
    Ok(promised)
}

/// Opening is refused and changes nothing, reading goes on, and so does recording once it may.
fn read_only() -> Result<u64, String> {
    if let Some(why) = Kind::Ext4.missing() {
        return Err(why);
    }
    let dir = workshop();
    let disk = Mounted::new(Kind::Ext4, dir.path(), 16 << 20)?;
    let store = Store::open(disk.place.join("store")).unwrap();
    let append = || {
        let journal = store.journal(ID)?;
        journal.append(TextDelta::new("a", "")).map_err(Error::from)?.wait()?;
        journal.close().wait()
    };
    append().unwrap();
    disk.remount("ro")?;
    assert_eq!(append().unwrap_err().kind(), ErrorKind::Io);
    assert!(store.reader(ID).unwrap().verify().unwrap().clean);
    disk.remount("rw")?;
    append().unwrap();
    let report = store.reader(ID).unwrap().verify().unwrap();
    assert!(report.clean && report.gaps.is_empty(), "{report:#?}");
    Ok(2)
}

/// A follower that gets no notices, or only some, misses nothing.
fn notices(setting: &str, value: &str) -> Result<u64, String> {
    struct Restored(PathBuf, String);
    impl Drop for Restored {
        fn drop(&mut self) {
            let _ = std::fs::write(&self.0, &self.1);
        }
    }
    let path = Path::new("/proc/sys/fs/inotify").join(setting);
    let before = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
    std::fs::write(&path, value).map_err(|error| error.to_string())?;
    let restored = Restored(path, before);
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let journal = store.journal_with(ID, JournalOptions::default().segment_bytes(4_000)).unwrap();
    journal.append(TextDelta::new("a", "0")).unwrap().wait().unwrap();
    let mut follower = store.reader(ID).unwrap().follow(Cursor::start()).unwrap();
    assert_eq!(follower.is_watching(), value != "0", "{setting} has no effect");
    let writer = std::thread::spawn(move || {
        for number in 1..3_000 {
            let event = TextDelta::new("a", format!("{number}"));
            if let Err(refused) = journal.push(event) {
                journal.ready().wait().unwrap();
                journal.push(refused.into_draft()).unwrap();
            }
        }
        journal.close().wait().unwrap();
    });
    let mut last = 0;
    while last < 3_000 {
        let item = follower.next_timeout(Duration::from_secs(20)).expect("the follower hangs").unwrap();
        if let Item::Entry(entry) = item {
            assert_eq!(entry.seq().get(), last + 1, "{setting}: missed or twice");
            last += 1;
        }
    }
    writer.join().unwrap();
    drop(restored);
    Ok(last)
}
