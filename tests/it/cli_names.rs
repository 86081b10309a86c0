//! Which session a name on the command line stands for: an id, a path, the beginning of an id, or the newest; and how old
//! a session is.

use crate::support::{Ran, foldlog, seal};
use foldlog::{Draft, JournalOptions, Store, Timestamp, TurnEnded, TurnStarted};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

fn record(store: &Store, id: &str) {
    let journal = store.journal(id).unwrap();
    journal.push(TurnStarted::new("t-1", "Sort the pears")).unwrap();
    journal.push(TurnEnded::success("t-1")).unwrap();
    journal.close().wait().unwrap();
}

/// The program on a root, in another current directory, with input.
fn run_in(place: &Path, root: &Path, args: &[&str], input: &str) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_foldlog"));
    command.current_dir(place).arg("--root").arg(root).args(args);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

/// Goal: what `ls` prints can be given to every command, also with a `/` in it.
#[test]
fn an_id_with_a_slash_opens_its_session_in_every_command() {
    let (root, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Store::open(root.path()).unwrap();
    let id = "orchard/pears-1";
    record(&store, id);
    // A directory of the same name where the command runs: the id comes first.
    fs::create_dir_all(place.path().join(id)).unwrap();
    fs::write(place.path().join(id).join("notes"), "nothing of a session").unwrap();
    let run = |args: &[&str]| run_in(place.path(), root.path(), args, "");
    assert_eq!(run(&["ls", "--json"]).json()[0]["session_id"], id);
    for args in [
        &["show", id][..],
        &["fold", id],
        &["tail", id],
        &["tail", "-f", id, "--until-ended"],
        &["verify", id],
        &["export", id, "--format", "jsonl"],
        &["replay", id, "--speed", "0"],
        &["stats", id],
        &["compact", id],
        &["show", "orchard/p"], // the beginning of an id
    ] {
        let ran = run(args);
        assert_eq!((ran.code, ran.out.is_empty()), (Some(0), false), "{args:?}: {} {}", ran.out, ran.err);
    }
    let event = "{\"type\":\"turn_started\",\"data\":{\"turn_id\":\"t-2\"}}\n";
    let ran = run_in(place.path(), root.path(), &["record", id], event);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(store.get(id).unwrap().turns.len(), 2);
    let ran = run(&["rm", id, "--yes"]);
    assert_eq!((ran.code, store.session_ids().unwrap().len()), (Some(0), 0), "{}", ran.err);
    let ran = run(&["show", id]);
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    assert!(ran.err.contains(id), "{}", ran.err);
}

/// Goal: a new id with a `/` makes nothing outside the root, and what is recorded outside it is said where. Method: ids of
/// sessions that are not there, with a directory of the first part's name and without; paths by their beginnings, and one that
/// is there.
#[test]
fn a_new_id_with_a_slash_is_recorded_in_the_root() {
    let (root, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Store::open(root.path()).unwrap();
    fs::create_dir(place.path().join("team")).unwrap();
    let event = "{\"type\":\"a.b\",\"data\":{}}\n";
    for id in ["team/run-2", "nowhere/run-2"] {
        let ran = run_in(place.path(), root.path(), &["record", id], event);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        assert!(ran.err.contains(&format!("in session {id}, all synced")), "{}", ran.err);
        assert!(store.reader(id).is_ok() && !place.path().join(id).exists(), "{id}");
    }
    let there = place.path().join("other/run-1");
    fs::create_dir_all(&there).unwrap();
    let new = place.path().join("other/run-2");
    let names = ["./team/run-3", "other/run-1", new.to_str().unwrap()];
    for (name, id) in names.into_iter().zip(["run-3", "run-1", "run-2"]) {
        let ran = run_in(place.path(), root.path(), &["record", name], event);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        let said = format!("in session {id}, outside the root, in `{name}`, all synced");
        assert!(ran.err.contains(&said), "{}", ran.err);
        assert!(place.path().join(name).join("00000001.jsonl").exists(), "{name}");
    }
    assert_eq!(store.session_ids().unwrap().len(), 2);
    let inside = root.path().join("s-1");
    let ran = run_in(place.path(), root.path(), &["record", inside.to_str().unwrap()], event);
    assert!(ran.err.contains("in session s-1, all synced"), "{}", ran.err);
}

#[test]
fn a_path_opens_the_session_in_a_directory_of_any_root() {
    let (root, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    record(&Store::open(place.path().join("runs")).unwrap(), "s-1");
    let long = place.path().join("runs").join("s-1");
    for path in ["runs/s-1", "./runs/s-1", long.to_str().unwrap()] {
        for args in [&["show", path][..], &["compact", path], &["tail", "-f", path, "--until-ended"]] {
            let ran = run_in(place.path(), root.path(), args, "");
            assert_eq!(ran.code, Some(0), "{args:?}: {}", ran.err);
        }
    }
    let ran = run_in(place.path(), root.path(), &["rm", "runs/s-1", "--yes"], "");
    assert_eq!((ran.code, long.exists()), (Some(0), false), "{}", ran.err);
}

const DAY: i64 = 24 * 3600 * 1_000_000;

/// A run of a session in an epoch of its own, by a clock that was so many days behind. All its entries are of that time.
fn epoch(store: &Store, id: &str, days_behind: i64, turn_ids: &[&str]) -> Timestamp {
    let time = Timestamp::from_micros(Timestamp::now().micros() - days_behind * DAY);
    let journal = store.journal_with(id, JournalOptions::default()).unwrap();
    for turn_id in turn_ids {
        journal.push(Draft::from(TurnStarted::new(*turn_id, "Sort the pears")).time(time)).unwrap();
        journal.push(Draft::from(TurnEnded::success(*turn_id)).time(time)).unwrap();
    }
    drop(journal); // no clean close: its entry would be of today
    let directory = store.path_of(&foldlog::SessionId::new(id).unwrap());
    let newest = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let newest = newest.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl")).max().unwrap();
    let text = fs::read_to_string(&newest).unwrap();
    let dated = text.lines().map(|line| {
        let names = ["\"created\":\"", "\"time\":\""];
        let at = names.iter().find_map(|name| Some(line.find(name)? + name.len())).unwrap();
        seal(&format!("{}{time}{}", &line[..at], &line[at + Timestamp::LEN..line.len() - 18]))
    });
    fs::write(&newest, dated.collect::<Vec<_>>().concat()).unwrap();
    time
}

/// Goal: one run by a clock that was far behind makes a session neither old nor the first in a list.
#[test]
fn a_session_is_as_old_as_the_newest_of_its_headers() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    epoch(&store, "behind", 1, &["t-1"]);
    epoch(&store, "behind", 400, &["t-2"]);
    epoch(&store, "steady", 2, &["t-1"]);
    epoch(&store, "old", 60, &["t-1"]);
    let run = |args: &[&str]| foldlog(root.path(), args);
    let ids =
        |ran: &Ran| ran.json().iter().map(|line| line["session_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let ran = run(&["prune", "--older-than", "30d", "--dry-run", "--json"]);
    assert_eq!(ids(&ran), ["old"], "{}", ran.err);
    assert_eq!(ids(&run(&["ls", "--json"])), ["behind", "steady", "old"]);
    // The newest is the one that is meant where none is named.
    assert_eq!(run(&["fold"]).json()[0]["session_id"], "behind");
    let listed = run(&["rm", "behind", "--dry-run", "--json"]).json();
    assert!(listed[0]["age_seconds"].as_u64().unwrap() < 2 * 24 * 3600, "{listed:?}");
}

/// Goal: `--since` begins at the first entry of that time or later, though the clock went back between two runs.
#[test]
fn since_finds_what_was_recorded_before_the_clock_went_back() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    epoch(&store, "s-1", 20, &["t-1"]);
    let late = epoch(&store, "s-1", 5, &["t-2"]);
    epoch(&store, "s-1", 300, &["t-3"]);
    let turns = |since: Timestamp| {
        let ran =
            foldlog(root.path(), &["tail", "s-1", "--json", "--type", "turn_started", "--since", &since.to_string()]);
        let turns =
            ran.json().iter().map(|line| line["data"]["turn_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        (turns, ran.code)
    };
    let all = |turns: &[&str]| (turns.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>(), Some(0));
    assert_eq!(turns(late), all(&["t-2", "t-3"]), "the newest run says that it is older");
    assert_eq!(turns(Timestamp::from_micros(late.micros() - DAY)), all(&["t-2", "t-3"]));
    assert_eq!(turns(Timestamp::from_micros(late.micros() - 100 * DAY)), all(&["t-1", "t-2", "t-3"]));
    assert_eq!(turns(Timestamp::from_micros(late.micros() + DAY)), (Vec::new(), Some(1)));
}
