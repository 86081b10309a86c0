//! Throwing sessions away as a careful person would: nothing live, nothing unasked, nothing by half, and a way back.

use crate::faulty::{Call, EIO, Fate, Faulty};
use crate::patience::delta;
use crate::support::{child, child_place, seal};
use foldlog::{DiskStorage, Draft, ErrorKind, Store, Timestamp, TurnEnded, TurnStarted};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const FOLDLOG: &str = env!("CARGO_BIN_EXE_foldlog");
const DAY: i64 = 86_400_000_000;

struct Root {
    dir: tempfile::TempDir,
    store: Store,
}

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Ran {
    fn json(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What became of each session, by `--json`.
    fn actions(&self) -> Vec<String> {
        let said = |line: &Value, member: &str| line[member].as_str().unwrap().to_owned();
        self.json().iter().map(|line| format!("{} {}", said(line, "session_id"), said(line, "action"))).collect()
    }
}

impl Root {
    fn new() -> Root {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        Root { dir, store }
    }

    fn run(&self, args: &[&str]) -> Ran {
        let mut command = Command::new(FOLDLOG);
        command.arg("--root").arg(self.dir.path()).args(args).env("TZ", "UTC").stdin(Stdio::null());
        Ran::from(command.output().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn record(&self, id: &str) {
        self.record_in(id, "w-1", Timestamp::now());
    }

    fn record_in(&self, id: &str, workspace: &str, time: Timestamp) {
        let journal = self.store.journal(id).unwrap();
        journal.push(Draft::from(foldlog::SessionStarted::new(id).workspace_id(workspace)).time(time)).unwrap();
        journal.push(Draft::from(TurnStarted::new("t-1", "Fix the build")).time(time)).unwrap();
        journal.push(Draft::from(TurnEnded::success("t-1")).time(time)).unwrap();
        journal.close().wait().unwrap();
    }

    /// A session that was recorded so many days ago: its entries' times and its header's.
    fn aged(&self, id: &str, days: i64) {
        let time = Timestamp::from_micros(Timestamp::now().micros() - days * DAY);
        self.record_in(id, "w-1", time);
        self.backdate(id, time);
    }

    fn backdate(&self, id: &str, time: Timestamp) {
        let path = self.path(id).join("00000001.jsonl");
        let text = fs::read_to_string(&path).unwrap();
        let backdated = text.lines().map(|line| {
            let names = ["\"created\":\"", "\"time\":\""];
            let at = names.iter().find_map(|name| Some(line.find(name)? + name.len())).unwrap();
            seal(&format!("{}{time}{}", &line[..at], &line[at + Timestamp::LEN..line.len() - 18]))
        });
        fs::write(&path, backdated.collect::<Vec<_>>().concat()).unwrap();
    }

    /// Every name and every byte below the root.
    fn snapshot(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let (mut found, mut places) = (BTreeMap::new(), vec![self.dir.path().to_owned()]);
        while let Some(place) = places.pop() {
            for entry in fs::read_dir(place).unwrap() {
                let path = entry.unwrap().path();
                let is_dir = path.is_dir() && !path.is_symlink();
                found.insert(path.clone(), if is_dir { Vec::new() } else { fs::read(&path).unwrap_or_default() });
                places.extend(is_dir.then_some(path));
            }
        }
        found
    }

    fn ids(&self) -> Vec<String> {
        self.store.session_ids().unwrap().iter().map(ToString::to_string).collect()
    }

    fn in_trash(&self) -> Vec<String> {
        self.store.trashed().unwrap().iter().map(|trashed| trashed.session_id.to_string()).collect()
    }
}

#[test]
fn what_is_thrown_away_lies_whole_in_the_trash_and_comes_back_with_mv() {
    let root = Root::new();
    root.record("a/b");
    let record = root.store.get("a/b").unwrap();
    let ran = root.run(&["rm", "a%2Fb", "--yes"]);
    assert_eq!(ran.code, Some(4), "an id is not a directory's name: {}", ran.err);
    let path = root.path("a%2Fb");
    let ran = root.run(&["rm", path.to_str().unwrap(), "--yes", "--json"]);
    let line = &ran.json()[0];
    assert_eq!((ran.code, &line["v"], &line["action"]), (Some(0), &1.into(), &"trashed".into()), "{}", ran.err);
    assert!(!path.exists() && root.ids().is_empty());
    let place = PathBuf::from(line["path"].as_str().unwrap());
    assert_eq!(root.store.trashed().unwrap()[0].path, place);
    assert!(place.starts_with(root.store.trash_path()));
    fs::rename(&place, &path).unwrap();
    assert_eq!(root.store.get("a/b").unwrap(), record);
    assert!(root.store.reader("a/b").unwrap().verify().unwrap().clean);
}

#[test]
fn the_same_id_goes_to_the_trash_again_and_again() {
    let root = Root::new();
    for _ in 0..3 {
        root.record("s-1");
        root.store.trash("s-1").unwrap();
    }
    assert_eq!(root.in_trash(), ["s-1"; 3]);
    // And it starts anew.
    assert!(root.store.journal("s-1").unwrap().is_new());
}

/// Goal: without a yes nothing happens. Method: names and bytes of the whole root before and after.
#[test]
fn nothing_is_touched_by_a_dry_run_or_without_a_yes() {
    let root = Root::new();
    root.aged("old", 40);
    root.record("new");
    root.record("gone");
    root.store.trash("gone").unwrap();
    let before = root.snapshot();
    let prune = ["prune", "--older-than", "30d"];
    for (args, code, says) in [
        (&["rm", "old"][..], 2, "say --yes"),
        (&["rm", "old", "--dry-run", "--yes"], 0, "nothing was touched"),
        (&prune, 2, "say --yes"),
        (&["prune", "--older-than", "30d", "--dry-run", "--yes"], 0, "1 session ("),
        (&["prune", "--trash"], 2, "deleted for good"),
        (&["prune", "--trash", "--dry-run", "--yes"], 0, "nothing was touched"),
    ] {
        let ran = root.run(args);
        assert_eq!(ran.code, Some(code), "{args:?}: {}", ran.err);
        assert!(ran.err.contains(says), "{args:?}: {}", ran.err);
        assert_eq!(root.snapshot(), before, "{args:?} touched something");
    }
    assert_eq!(root.run(&["prune", "--older-than", "30d", "--json"]).actions(), ["old would_trash"]);
    assert_eq!(root.run(&["prune", "--trash", "--json"]).actions(), ["gone would_delete"]);
    assert_eq!(root.snapshot(), before);
    let listed = root.run(&prune).out;
    let row = listed.lines().nth(1).unwrap();
    assert!(row.starts_with("old") && row.contains("40d") && !listed.contains("new"), "{listed}");
}

#[test]
fn child_that_records() {
    let Some(place) = child_place() else { return };
    let journal = Store::open(place).unwrap().journal("live").unwrap();
    let old = Timestamp::from_micros(Timestamp::now().micros() - 400 * DAY);
    journal.append(Draft::from(delta(0)).time(old)).unwrap().wait().unwrap();
    println!("held");
    let _ = std::io::stdin().read(&mut [0]);
}

/// Goal: an idle session that a process holds is never touched, however old it looks.
/// Method: another process holds it; its events and its header are made 400 days old.
#[test]
fn a_live_session_is_never_touched() {
    let root = Root::new();
    let mut holder = child("housekeeping::child_that_records", root.dir.path()).spawn().unwrap();
    let mut output = BufReader::new(holder.stdout.take().unwrap()).lines();
    assert!(output.any(|line| line.unwrap().contains("held")), "the child did not start");
    root.backdate("live", Timestamp::from_micros(Timestamp::now().micros() - 400 * DAY));
    root.aged("old", 40);
    let before = fs::read(root.path("live/00000001.jsonl")).unwrap();

    let ran = root.run(&["rm", "live", "--yes"]);
    assert_eq!(ran.code, Some(5), "{}", ran.err);
    assert!(ran.err.contains("being recorded"), "{}", ran.err);
    for error in [root.store.trash("live").unwrap_err(), root.store.delete("live").unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Locked);
        assert!(error.to_string().contains(&format!("pid {}", holder.id())), "{error}");
    }
    let ran = root.run(&["prune", "--older-than", "30d", "--yes", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(ran.actions(), ["live skipped", "old trashed"]);
    assert_eq!(ran.json()[0]["why"], "live");
    assert_eq!(fs::read(root.path("live/00000001.jsonl")).unwrap(), before);
    assert_eq!(root.ids(), ["live"]);

    drop(holder.stdin.take());
    holder.wait().unwrap();
}

/// Goal: a session that is being moved has no writer, and one that comes in that moment starts a new session.
/// Method: a thread opens journals all the time while another throws the session away.
#[test]
fn no_writer_gets_into_a_session_that_is_being_moved() {
    let root = Root::new();
    root.record("s-1");
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..60 {
                let journal = root.store.journal("s-1").unwrap();
                journal.append(TurnStarted::new(format!("t-{round}"), "Go on")).unwrap().wait().unwrap();
                journal.close().wait().unwrap();
                std::thread::sleep(Duration::from_millis(4));
            }
        });
        let mut moved = 0;
        while !writer.is_finished() {
            match root.store.trash("s-1") {
                Ok(_) => moved += 1,
                Err(error) => assert!(matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Locked), "{error}"),
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        writer.join().unwrap();
        assert!(moved > 3, "only {moved} were moved");
    });
    let trashed: usize = root.store.trashed().unwrap().iter().map(|trashed| turns(&trashed.path)).sum();
    let left = root.store.reader("s-1").map_or(0, |reader| turns(reader.path()));
    assert_eq!(trashed + left, 61, "a turn was recorded into nowhere");
}

fn turns(dir: &Path) -> usize {
    let reader = foldlog::Reader::open(dir).unwrap();
    assert!(reader.verify().unwrap().clean);
    reader.fold().unwrap().turns.len()
}

#[test]
fn while_a_session_is_being_compacted_it_stays() {
    let root = Root::new();
    root.record("s-1");
    let lock = fs::File::create(root.path("s-1/COMPACT.LOCK")).unwrap();
    lock.lock().unwrap();
    let error = root.store.trash("s-1").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.to_string().contains("compacted"), "{error}");
    drop(lock);
    root.store.trash("s-1").unwrap();
}

#[test]
fn an_abbreviation_is_never_completed() {
    let root = Root::new();
    root.record("session-1234");
    let before = root.snapshot();
    let ran = root.run(&["rm", "session", "--yes"]);
    assert_eq!(ran.code, Some(4));
    assert!(ran.err.contains("give the whole of \"session-1234\""), "{}", ran.err);
    for wrong in ["session-12345", "", ".trash", "./nothing/here", "..", "./"] {
        let code = root.run(&["rm", wrong, "--yes"]).code;
        assert!(matches!(code, Some(2 | 4)), "{wrong:?}: {code:?}");
    }
    assert_eq!(root.run(&["rm", "--yes"]).code, Some(2), "the newest is no answer here");
    assert_eq!(root.snapshot(), before);
    // One that is not there does not keep the others.
    let ran = root.run(&["rm", "session", "session-1234", "--yes"]);
    assert_eq!((ran.code, root.ids().len()), (Some(4), 0));
}

#[test]
fn links_and_other_directories_are_refused() {
    let root = Root::new();
    let elsewhere = Root::new();
    elsewhere.record("theirs");
    symlink(elsewhere.path("theirs"), root.path("link")).unwrap();
    fs::create_dir(root.path("stuff")).unwrap();
    fs::write(root.path("stuff/notes.txt"), "mine").unwrap();
    let before = (root.snapshot(), elsewhere.snapshot());
    let link = root.path("link");
    for session in ["link", "stuff", link.to_str().unwrap(), &format!("{}/", link.display())] {
        let code = root.run(&["rm", session, "--yes"]).code;
        assert!(matches!(code, Some(2 | 4)), "{session}: {code:?}");
        assert_eq!((root.snapshot(), elsewhere.snapshot()), before, "{session}");
    }
    assert_eq!(root.store.trash("link").unwrap_err().kind(), ErrorKind::InvalidInput);
    // Nor is a link taken for the trash.
    root.record("s-1");
    symlink(elsewhere.dir.path(), root.store.trash_path()).unwrap();
    assert_eq!(root.store.trash("s-1").unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(root.store.trashed().unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(elsewhere.snapshot(), before.1);
}

/// Goal: age is when a session was last touched, by whatever clock says later; what has no age is never pruned.
#[test]
fn only_what_is_surely_old_is_pruned() {
    let root = Root::new();
    root.aged("old", 40);
    root.aged("young", 20);
    // An import of yesterday's brings times of long ago.
    root.record_in("imported", "w-1", Timestamp::from_micros(0));
    // A damaged one that is old.
    root.aged("damaged", 50);
    let path = root.path("damaged/00000001.jsonl");
    fs::write(&path, fs::read_to_string(&path).unwrap().replacen("Fix", "Fax", 1)).unwrap();
    // Nothing in it can be read: no header, no entry.
    fs::create_dir(root.path("garbage")).unwrap();
    fs::write(root.path("garbage/00000001.jsonl"), "no line of ours\n").unwrap();
    // A link in a segment's place.
    fs::create_dir(root.path("linked")).unwrap();
    symlink("/etc/hostname", root.path("linked/00000001.jsonl")).unwrap();
    root.record_in("elsewhere", "w-2", Timestamp::from_micros(0));
    root.backdate("elsewhere", Timestamp::from_micros(0));

    let ran = root.run(&["prune", "--older-than", "30d", "--workspace", "w-1", "--dry-run", "--json"]);
    assert_eq!(ran.actions(), ["damaged would_trash", "old would_trash"], "{}", ran.err);
    let ran = root.run(&["prune", "--older-than", "30d", "--yes", "--json"]);
    assert_eq!(
        ran.actions(),
        ["garbage skipped", "linked skipped", "elsewhere trashed", "damaged trashed", "old trashed"]
    );
    assert_eq!(ran.json()[0]["why"], "its age cannot be told");
    assert_eq!((&ran.json()[3]["damaged"], &ran.json()[4]["damaged"]), (&true.into(), &false.into()));
    assert_eq!(ran.json()[1]["why"], "its age cannot be told");
    assert_eq!(root.ids(), ["garbage", "imported", "linked", "young"]);
    // A person who names it may throw it away.
    assert_eq!(root.run(&["rm", "garbage", "linked", "--yes"]).code, Some(0));
    assert_eq!(root.ids(), ["imported", "young"]);
    assert!(Path::new("/etc/hostname").exists());
    assert_eq!(root.run(&["prune"]).code, Some(2), "an age must be given");
}

#[test]
fn the_trash_is_emptied_by_its_own_command_alone() {
    let root = Root::new();
    root.record("s-1");
    root.record("s-2");
    assert_eq!(root.run(&["rm", "s-1", "--yes"]).code, Some(0));
    fs::create_dir(root.store.trash_path().join("mine")).unwrap();
    assert_eq!(root.run(&["prune", "--older-than", "0d", "--yes"]).code, Some(0));
    assert_eq!(root.in_trash(), ["s-1", "s-2"]);
    let trashed = root.store.trashed().unwrap().remove(0).path;
    let ran = root.run(&["rm", trashed.to_str().unwrap(), "--yes"]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    let ran = root.run(&["prune", "--trash", "--older-than", "1d", "--yes"]);
    assert_eq!((ran.code, root.in_trash().len()), (Some(0), 2), "{}", ran.err);
    let ran = root.run(&["prune", "--trash", "--yes", "--json"]);
    assert_eq!((ran.code, ran.actions()), (Some(0), vec!["s-1 deleted".to_owned(), "s-2 deleted".to_owned()]));
    assert!(root.in_trash().is_empty() && root.store.trash_path().join("mine").exists());
    assert!(fs::read_dir(root.path(".leaving")).unwrap().next().is_none());
}

/// Goal: what cannot be read keeps nothing else in the trash, and what is no whole session any more goes too.
/// Method: a directory that cannot be listed, and one that a removal has left without a segment.
#[test]
fn one_directory_in_the_trash_that_cannot_be_read_keeps_no_other_there() {
    let root = Root::new();
    root.record("s-1");
    root.store.trash("s-1").unwrap();
    let below = |name: &str| root.store.trash_path().join(name);
    fs::create_dir(below("emptied.20261122T184500123456Z")).unwrap();
    fs::create_dir(below("unreadable.20261122T184500123456Z")).unwrap();
    let storage = Faulty::new(DiskStorage);
    storage.rule(|call, path| match call {
        Call::List if path.to_string_lossy().contains("unreadable") => Fate::Fails(EIO),
        _ => Fate::Done,
    });
    let store = Store::open_on(storage, root.store.root()).unwrap();
    let trashed = store.trashed().unwrap();
    assert_eq!(trashed.len(), 3);
    for trashed in &trashed {
        store.delete_trashed(trashed).unwrap();
    }
    assert!(store.trashed().unwrap().is_empty());
}

/// Goal: what a crash left on its way out goes with the next one, and keeps none from going.
#[test]
fn leftovers_of_a_crash_are_swept() {
    let root = Root::new();
    root.record("s-1");
    let half = root.path(".leaving/s-0.20261122T184500123456Z");
    fs::create_dir_all(&half).unwrap();
    fs::write(half.join("00000002.jsonl"), "half").unwrap();
    root.store.delete("s-1").unwrap();
    assert!(!half.exists());
    assert!(root.ids().is_empty() && root.in_trash().is_empty());
}

/// Goal: the new name is durable before the old one goes, and nothing is removed that was not moved.
/// Method: every call of the move fails in turn; whatever happens, the session is whole in one place.
#[test]
fn a_move_that_fails_leaves_the_session_whole() {
    let counted = |fail: Option<usize>| {
        let root = Root::new();
        root.record("s-1");
        let storage = Faulty::new(DiskStorage);
        let seen = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&seen);
        storage.rule(move |call, _| match call {
            Call::Rename | Call::SyncDir if Some(count.fetch_add(1, Ordering::SeqCst)) == fail => Fate::Fails(EIO),
            _ => Fate::Done,
        });
        let moved = Store::open_on(storage, root.dir.path()).unwrap().trash("s-1");
        let calls = seen.load(Ordering::SeqCst);
        let places = root.store.trashed().unwrap().into_iter().map(|trashed| trashed.path);
        let left: Vec<PathBuf> = places.chain(root.path("s-1").exists().then(|| root.path("s-1"))).collect();
        assert_eq!(left.len(), 1, "{left:?}");
        assert_eq!(turns(&left[0]), 1);
        assert_eq!(moved.is_err(), fail.is_some(), "{moved:?}");
        calls
    };
    let calls = counted(None);
    assert!(calls >= 3, "{calls}");
    (0..calls).for_each(|call| {
        counted(Some(call));
    });
}
