//! Files that are removed, replaced or moved away while a session is recorded or compacted.

use crate::faulty::{Call, Fate, Faulty};
use crate::patience::delta;
use crate::support::{ID, Lab, Reading, segment};
use foldlog::{Durability, Error, ErrorKind, Health, Journal, JournalOptions, Store};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longer than the recorder goes without a look at the paths of its files.
const LOOKED: Duration = Duration::from_millis(1_100);

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

    fn dir(&self) -> PathBuf {
        self.root.path().join(ID)
    }

    fn journal(&self, options: JournalOptions) -> Journal {
        let journal = self.store.journal_with(ID, options).unwrap();
        append(&journal, 0).unwrap();
        journal
    }
}

fn append(journal: &Journal, number: usize) -> Result<(), Error> {
    journal.append(delta(number)).map_err(Error::from)?.wait().map(drop)
}

/// The journal has failed for good, because of its files.
fn assert_removed(journal: &Journal, appended: Result<(), Error>, what: &str) {
    assert_eq!(appended.unwrap_err().kind(), ErrorKind::Removed, "{what}");
    assert!(matches!(journal.health(), Health::Failed(error) if error.kind() == ErrorKind::Removed), "{what}");
    assert!(append(journal, 99).is_err(), "{what}: an event was taken after the failure");
}

/// Goal: nothing is acknowledged that was written into a file without a name, whatever the ticket waits for, with and
/// without preallocation. Method: a cleaner removes the directory, or the segment alone, between two appends.
#[test]
fn no_event_is_acknowledged_in_a_segment_that_was_removed() {
    let durabilities = [Durability::Synced, Durability::Written];
    for (durability, prefill) in durabilities.into_iter().flat_map(|durability| [(durability, 0), (durability, 4096)]) {
        for alone in [false, true] {
            let what = format!("{durability:?}, {prefill} ahead, {alone}");
            let place = Place::new();
            let journal = place.journal(JournalOptions::default().durability(durability).prefill(prefill));
            match alone {
                true => fs::remove_file(place.dir().join(segment(1))).unwrap(),
                false => fs::remove_dir_all(place.dir()).unwrap(),
            }
            let appended = append(&journal, 1);
            assert_removed(&journal, appended, &what);
            assert_eq!(journal.close().wait().unwrap_err().kind(), ErrorKind::Removed, "{what}");
        }
    }
}

/// Goal: nothing is acknowledged in a segment that was cut short under its writer, and what is recorded after opening it again
/// is there. Method: it is cut between two appends, and while a sync goes on, whatever a ticket waits for.
#[test]
fn no_event_is_acknowledged_in_a_segment_that_was_cut_short() {
    let durabilities = [Durability::Synced, Durability::Written];
    for (durability, prefill) in durabilities.into_iter().flat_map(|durability| [(durability, 0), (durability, 4096)]) {
        for len in [0, 100, 700] {
            let what = format!("{durability:?}, {prefill} ahead, cut to {len}");
            let place = Place::new();
            let journal = place.journal(JournalOptions::default().durability(durability).prefill(prefill));
            (1..10).for_each(|number| append(&journal, number).unwrap());
            let segment = fs::File::options().write(true).open(place.dir().join(segment(1))).unwrap();
            segment.set_len(len).unwrap();
            let appended = append(&journal, 10);
            assert!(appended.as_ref().is_err_and(|error| error.to_string().contains("was cut short")), "{what}");
            assert_removed(&journal, appended, &what);
            journal.reopen().unwrap();
            append(&journal, 11).unwrap();
            journal.close().wait().unwrap();
            let reading = Reading::of(&place.store.reader(ID).unwrap());
            assert!(reading.seqs().len() >= 2, "{what}: {reading:?}");
        }
    }
    let lab = Lab::new();
    let disk = Faulty::new(lab.disk.clone());
    let journal = Store::open_on(disk.clone(), "/lab").unwrap().journal(ID).unwrap();
    append(&journal, 0).unwrap();
    let (memory, path) = (lab.disk.clone(), lab.dir.join(segment(1)));
    disk.rule(move |call, _| {
        if call == Call::Sync {
            memory.overwrite(&path, b"{}");
        }
        Fate::Done
    });
    let appended = append(&journal, 1);
    assert!(appended.as_ref().is_err_and(|error| error.to_string().contains("was cut short")));
    assert_removed(&journal, appended, "cut while it was synced");
}

/// Goal: the close of a journal whose files are gone is an error, also if all that was pushed waits for nothing.
#[test]
fn a_close_does_not_take_a_removed_session_for_a_safe_one() {
    let place = Place::new();
    let journal = place.journal(JournalOptions::default());
    fs::remove_dir_all(place.dir()).unwrap();
    journal.push(delta(1)).unwrap();
    assert_eq!(journal.close().wait().unwrap_err().kind(), ErrorKind::Removed);
}

/// Goal: what has kept a name, but not the one that readers look for, is found within a second or so. Method: the segment
/// is moved away; it has a second name when it is removed, as in a backup made of hard links; `LOCK` is removed, and
/// replaced; the directory is moved away, and another one put in its place.
#[test]
fn files_that_are_elsewhere_by_now_end_the_recording() {
    type Harm = fn(&Path);
    let harms: [(&str, Harm); 6] = [
        ("moved segment", |dir| fs::rename(dir.join(segment(1)), dir.join("elsewhere")).unwrap()),
        ("segment with a second name", |dir| {
            fs::hard_link(dir.join(segment(1)), dir.join("backup")).unwrap();
            fs::remove_file(dir.join(segment(1))).unwrap();
        }),
        ("removed lock", |dir| fs::remove_file(dir.join("LOCK")).unwrap()),
        ("replaced lock", |dir| {
            fs::write(dir.join("new"), b"").unwrap();
            fs::rename(dir.join("new"), dir.join("LOCK")).unwrap();
        }),
        ("moved directory", |dir| fs::rename(dir, dir.with_extension("old")).unwrap()),
        ("replaced directory", |dir| {
            fs::rename(dir, dir.with_extension("old")).unwrap();
            fs::create_dir(dir).unwrap();
        }),
    ];
    let journals = harms.map(|(what, harm)| {
        let place = Place::new();
        let journal = place.journal(JournalOptions::default());
        harm(&place.dir());
        (what, place, journal)
    });
    std::thread::sleep(LOOKED);
    for (what, _place, journal) in &journals {
        let appended = append(journal, 1);
        assert_removed(journal, appended, what);
    }
    // The same at the next segment, without waiting.
    for (what, harm) in harms {
        let place = Place::new();
        let journal = place.journal(JournalOptions::default().segment_bytes(600));
        harm(&place.dir());
        let failed = (1..10).find_map(|number| append(&journal, number).err()).unwrap();
        assert_eq!(failed.kind(), ErrorKind::Removed, "{what}");
    }
}

/// Goal: after the end of such a recording the session can be recorded again, and what is read is whole. Method: the
/// directory is removed; the handle cannot reopen, a new one begins a new journal.
#[test]
fn a_removed_session_is_recorded_again_by_opening_it_again() {
    let place = Place::new();
    let journal = place.journal(JournalOptions::default());
    fs::remove_dir_all(place.dir()).unwrap();
    append(&journal, 1).unwrap_err();
    assert_eq!(journal.reopen().unwrap_err().kind(), ErrorKind::Removed);
    let again = place.journal(JournalOptions::default());
    assert!(again.is_new());
    again.close().wait().unwrap();
    drop(journal);
    let reading = Reading::of(&place.store.reader(ID).unwrap());
    assert!(reading.is_clean(), "{reading:?}");
}

/// Goal: a lock file that is removed lets nobody in. Method: with `LOCK` gone, a second writer, a compaction of all and the
/// trash try.
#[test]
fn a_removed_lock_file_lets_nobody_in() {
    let place = Place::new();
    let journal = place.journal(JournalOptions::default());
    fs::remove_file(place.dir().join("LOCK")).unwrap();
    let refused = place.store.journal(ID).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Locked);
    assert!(refused.to_string().contains("another process holds a lock on the directory"), "{refused}");
    assert_eq!(place.store.trash(ID).unwrap_err().kind(), ErrorKind::Locked);
    assert!(place.store.reader(ID).unwrap().is_live().unwrap(), "it is still being recorded");
    assert!(!place.dir().join("LOCK").exists(), "nobody made another one meanwhile");
    drop(journal);
    assert!(!place.store.reader(ID).unwrap().is_live().unwrap());
    place.journal(JournalOptions::default()).close().wait().unwrap();
}

/// Goal: a session that is recorded can be moved away, and then neither the one at the old path nor the one that was moved
/// is mixed with the other. Method: moved, then another one recorded at the old path while the first is still open.
#[test]
fn two_directories_of_one_path_keep_apart() {
    let place = Place::new();
    let first = place.journal(JournalOptions::default().segment_bytes(600));
    let moved = place.dir().with_extension("old");
    fs::rename(place.dir(), &moved).unwrap();
    let second = place.journal(JournalOptions::default());
    assert!((1..10).find_map(|number| append(&first, number).err()).is_some());
    second.close().wait().unwrap();
    assert!(!place.dir().join(segment(2)).exists(), "the first one's segment is in the second one's directory");
    let reading = Reading::of(&place.store.reader(ID).unwrap());
    assert_eq!(reading.seqs(), [1, 2], "{reading:?}");
}

/// Goal: a compaction whose lock file is no longer at its path changes nothing more: another one may be at work. Method: the
/// file is replaced while the new segment is synced, before it is renamed; then at the first removal.
#[test]
fn a_compaction_without_its_lock_file_stops() {
    let lab = Lab::new();
    let options = || JournalOptions::default().segment_bytes(400);
    for opening in 0..3 {
        let journal = lab.store.journal_with(ID, options()).unwrap();
        append(&journal, opening).unwrap();
        journal.close().wait().unwrap();
    }
    let files = lab.files();
    for at in [Call::Sync, Call::Rename] {
        let lab = Lab::with(&files);
        let disk = Faulty::new(lab.disk.clone());
        let lock = lab.dir.join("COMPACT.LOCK");
        let (memory, path) = (lab.disk.clone(), lock.clone());
        disk.rule(move |call, _| {
            if call == at {
                memory.set(&path, b"another one");
            }
            Fate::Done
        });
        let store = Store::open_on(disk, "/lab").unwrap();
        assert_eq!(store.compact(ID).unwrap_err().kind(), ErrorKind::Removed, "{at:?}");
        let left = lab.files();
        let (before, after) = (files.len(), left.keys().filter(|name| name.ends_with(".jsonl")).count());
        assert!(before > after, "LOCK is among them");
        assert!(files.keys().all(|name| left.contains_key(name)), "{at:?}: {:?}", left.keys());
        if at == Call::Sync {
            assert!(files.iter().all(|(name, bytes)| left[name] == *bytes || name == "LOCK"), "nothing was renamed");
        }
        assert!(lab.read().is_clean());
    }
}

/// Goal: where directories cannot be locked, `LOCK` alone decides; where nothing can, nobody records and everybody reads.
#[test]
fn without_locks_reading_goes_on_and_recording_is_refused() {
    const ENOLCK: i32 = 37;
    let lab = Lab::new();
    lab.append_one();
    let disk = Faulty::new(lab.disk.clone());
    let store = Store::open_on(disk.clone(), "/lab").unwrap();
    disk.rule(|call, _| if call == Call::LockDir { Fate::Fails(ENOLCK) } else { Fate::Done });
    let journal = store.journal(ID).unwrap();
    append(&journal, 1).unwrap();
    assert_eq!(store.journal(ID).unwrap_err().kind(), ErrorKind::Locked);
    assert!(store.reader(ID).unwrap().is_live().unwrap());
    drop(journal);

    disk.rule(|call, _| if matches!(call, Call::LockDir | Call::Lock) { Fate::Fails(ENOLCK) } else { Fate::Done });
    let refused = store.journal(ID).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Io);
    assert!(refused.to_string().contains("cannot lock"), "{refused}");
    assert_eq!(store.trash(ID).unwrap_err().kind(), ErrorKind::Io);
    let reader = store.reader(ID).unwrap();
    assert!(!reader.is_live().unwrap() && reader.fold().is_ok() && reader.verify().unwrap().clean);
}

/// Goal: what is in the place of `LOCK` and is no file of its own stops no reader and is never written to; recording is
/// refused. Method: a link to a file, a hard link to one, a FIFO, a directory, a dangling link.
#[test]
fn a_lock_that_is_no_file_stops_no_reader_and_is_never_written_to() {
    type Put = fn(&Path, &Path);
    let puts: [(&str, Put); 5] = [
        ("link", |lock, victim| std::os::unix::fs::symlink(victim, lock).unwrap()),
        ("hard link", |lock, victim| fs::hard_link(victim, lock).unwrap()),
        ("fifo", |lock, _| {
            let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
            rustix::fs::mknodat(rustix::fs::CWD, lock, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        }),
        ("directory", |lock, _| fs::create_dir(lock).unwrap()),
        ("dangling link", |lock, victim| std::os::unix::fs::symlink(victim.with_extension("none"), lock).unwrap()),
    ];
    for (what, put) in puts {
        let place = Place::new();
        place.journal(JournalOptions::default()).close().wait().unwrap();
        let victim = place.root.path().join("victim");
        fs::write(&victim, b"mine").unwrap();
        let lock = place.dir().join("LOCK");
        fs::remove_file(&lock).unwrap();
        put(&lock, &victim);
        let reader = place.store.reader(ID).unwrap();
        assert!(!reader.is_live().unwrap(), "{what}");
        assert!(reader.verify().unwrap().clean && reader.glance().is_ok() && reader.fold().is_ok(), "{what}");
        let mut follower = place.store.follow(ID, foldlog::Cursor::start()).unwrap();
        assert!(follower.next_timeout(Duration::from_secs(5)).unwrap().is_ok(), "{what}");
        for refused in [place.store.journal(ID).map(drop), place.store.trash(ID).map(drop)] {
            assert!(refused.is_err(), "{what}");
        }
        assert_eq!(fs::read(&victim).unwrap(), b"mine", "{what}");
        assert!(!victim.with_extension("none").exists(), "{what}");
    }
}
