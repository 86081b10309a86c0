//! A system that refuses: no more open files, no permission. Each refusal is told with its kind, changes nothing, and is
//! over when its cause is.

use crate::patience::{PATIENCE, delta, until};
use crate::support::{ID, Reading, child, child_arguments, child_place};
use foldlog::{Cursor, Error, ErrorKind, Health, Journal, JournalOptions, Seq, Store};
use rustix::process::{Resource, geteuid, getrlimit, setrlimit};
use std::fs::{self, File, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

fn small_segments(store: &Store) -> Result<Journal, Error> {
    store.journal_with(ID, JournalOptions::default().segment_bytes(900))
}

fn append(journal: &Journal, number: usize) -> Result<Seq, Error> {
    journal.append(delta(number)).map_err(Error::from).and_then(|ticket| ticket.wait())
}

/// Appends until the next segment is refused. How many were acknowledged.
fn append_until_refused(journal: &Journal) -> usize {
    for number in 0..100 {
        if let Err(error) = append(journal, number) {
            assert_eq!(error.kind(), ErrorKind::Io, "{error}");
            assert!(matches!(journal.health(), Health::Failed(_)), "{:?}", journal.health());
            assert!(append(journal, number).is_err(), "it took an event after a failure");
            return number;
        }
    }
    panic!("a new segment was made all the same");
}

/// Reopens, appends once more, closes.
fn goes_on(journal: &Journal) {
    journal.reopen().unwrap();
    append(journal, 100).unwrap();
    journal.close().wait().unwrap();
}

fn assert_whole(store: &Store, acknowledged: usize) {
    let reading = Reading::of(&store.reader(ID).unwrap());
    assert!(reading.is_clean() && reading.entries.len() > acknowledged, "{acknowledged} acknowledged: {reading:?}");
}

/// Goal: too many open files end an opening with an error, and no more; a journal that is open goes through its segments
/// with the descriptors it has. Method: a child that allows itself no file beyond those it has.
#[test]
fn no_more_open_files_are_an_error_and_what_is_open_goes_on() {
    let root = tempfile::tempdir().unwrap();
    let output = child("refusals::child_that_may_open_no_more_files", root.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_whole(&Store::open(root.path()).unwrap(), 1);
}

#[test]
fn child_that_may_open_no_more_files() {
    let Some(place) = child_place() else { return };
    let store = Store::open(&place).unwrap();
    let before = getrlimit(Resource::Nofile);
    let no_more = || {
        let free = File::open("/dev/null").unwrap().as_raw_fd() as u64;
        setrlimit(Resource::Nofile, rustix::process::Rlimit { current: Some(free), ..before }).unwrap();
    };
    let more = || setrlimit(Resource::Nofile, before).unwrap();

    no_more();
    assert_eq!(small_segments(&store).unwrap_err().kind(), ErrorKind::Io);
    more();
    let journal = small_segments(&store).unwrap();
    append(&journal, 0).unwrap();
    no_more();
    (1..40).for_each(|number| assert!(append(&journal, number).is_ok(), "{number}"));
    assert_eq!(store.reader(ID).and_then(|reader| reader.verify()).unwrap_err().kind(), ErrorKind::Io);
    journal.close().wait().unwrap();
    more();
    assert!(fs::read_dir(place.join(ID)).unwrap().count() > 5, "several segments");
    assert_whole(&store, 40);
}

/// Goal: a permission that was lost is an error that says so, readers go on where they still may, and nothing is changed.
/// Method: modes taken away, from a child that is nobody if this is root, whom modes do not stop.
#[test]
fn lost_permissions_are_errors_and_nothing_is_changed() {
    let root = tempfile::tempdir().unwrap();
    let test = "refusals::child_that_loses_permissions";
    let mut command = child(test, root.path());
    if geteuid().is_root() {
        const NOBODY: u32 = 65_534;
        std::os::unix::fs::chown(root.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        // A copy of this program, where nobody may run it, whatever the way to this one is like.
        let program = root.path().join("program");
        fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        command = Command::new(&program);
        child_arguments(&mut command, test, root.path());
        command.uid(NOBODY).gid(NOBODY).current_dir(root.path());
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn child_that_loses_permissions() {
    let Some(place) = child_place() else { return };
    let set = |path: &Path, mode: u32| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let store = Store::open(&place).unwrap();
    let journal = small_segments(&store).unwrap();
    (0..8).for_each(|number| assert!(append(&journal, number).is_ok()));
    journal.close().wait().unwrap();
    let dir = place.join(ID);
    let names = || fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    let before = names();
    let newest = before.iter().filter(|name| name.to_str().is_some_and(|name| name.ends_with(".jsonl"))).max().unwrap();

    for (path, mode) in [(dir.clone(), 0o700), (dir.join(newest), 0o600), (dir.join("LOCK"), 0o600)] {
        set(&path, 0);
        let recorded = small_segments(&store).and_then(|journal| append(&journal, 9)).map(drop);
        let read = store.reader(ID).and_then(|reader| reader.verify()).map(drop);
        set(&path, mode);
        assert_eq!(recorded.map_err(|error| error.kind()), Err(ErrorKind::Io), "{}", path.display());
        let readable = if path.ends_with("LOCK") { Ok(()) } else { Err(ErrorKind::Io) }; // reading needs no lock
        assert_eq!(read.map_err(|error| error.kind()), readable, "{}", path.display());
        assert_eq!(names(), before, "{}", path.display());
    }
    let journal = small_segments(&store).unwrap();
    set(&dir, 0o500);
    let acknowledged = append_until_refused(&journal);
    assert!(store.reader(ID).unwrap().verify().unwrap().entries >= 8, "readers go on");
    set(&dir, 0o700);
    goes_on(&journal);
    assert_whole(&store, 9 + acknowledged);
}

/// Goal: where no thread can be started, an opening and a follower end with an error, and no event waits for ever. Method: a
/// child whose threads would each need more memory for their stacks than any machine has.
#[test]
fn no_thread_is_an_error_and_not_a_wait() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let journal = store.journal(ID).unwrap();
    append(&journal, 0).unwrap();
    journal.close().wait().unwrap();
    let mut child = child("refusals::child_that_gets_no_thread", root.path());
    let mut child = child.env("RUST_MIN_STACK", (1u64 << 60).to_string()).spawn().unwrap();
    let mut ended = None;
    until("the child has ended", || {
        ended = child.try_wait().unwrap();
        ended.is_some()
    });
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_whole(&store, 1);
}

#[test]
fn child_that_gets_no_thread() {
    let Some(place) = child_place() else { return };
    let store = Store::open(place).unwrap();
    let refused = store.journal("s-2").and_then(|journal| append(&journal, 0)).unwrap_err();
    assert!(refused.kind() == ErrorKind::Io && refused.to_string().contains("cannot start a thread"), "{refused}");
    let refused =
        store.follow(ID, Cursor::end()).map(|mut follower| drop(follower.next_timeout(PATIENCE))).unwrap_err();
    assert!(refused.to_string().contains("cannot start the thread that wakes"), "{refused}");
    store.follow_all(Cursor::end()).map(drop).unwrap_err();
    assert_whole(&store, 1); // reading needs none
}
