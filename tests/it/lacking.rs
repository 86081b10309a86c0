//! File systems that lack something: directories that cannot be synced, locks that do not reach everybody, directories that
//! cannot be moved.

use crate::faulty::{Call, Fate, Faulty};
use crate::patience::delta;
use crate::support::{ID, Lab};
use foldlog::{Caveat, Durability, ErrorKind, JournalOptions, Store};

/// No directory can be synced here, as a file system says that.
fn syncs_no_directory(disk: &Faulty) {
    disk.rule(|call, _| if call == Call::SyncDir { Fate::Unsupported } else { Fate::Done });
}

fn store() -> (Lab, Faulty, Store) {
    let lab = Lab::new();
    let disk = Faulty::new(lab.disk.clone());
    let store = Store::open_on(disk.clone(), "/lab").unwrap();
    (lab, disk, store)
}

/// Goal: where a directory cannot be synced, a recording that promises to survive power cuts is refused and says why; one
/// that promises to survive the process goes on, and says what it lacks. Method: a new session, and one that was there.
#[test]
fn a_directory_that_cannot_be_synced_is_named_and_there_is_a_way_on() {
    for is_new in [true, false] {
        let (lab, disk, store) = store();
        if !is_new {
            lab.append_one();
        }
        syncs_no_directory(&disk);
        let refused = store.journal(ID).and_then(|journal| journal.append(delta(0))?.wait()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Io);
        for words in ["cannot sync the directory", "durability `written`"] {
            assert!(refused.to_string().contains(words), "{refused}");
        }
        let options = JournalOptions::default().durability(Durability::Written).segment_bytes(600);
        let journal = store.journal_with(ID, options).unwrap();
        assert_eq!(journal.caveats(), [Caveat::UnsyncedDirectories]);
        for number in 0..10 {
            journal.append(delta(number)).unwrap().wait().unwrap();
        }
        journal.close().wait().unwrap();
        assert!(lab.read().is_clean());
        assert!(lab.files().len() > 3, "over several segments");
        // Nothing is removed that a power cut could want back; a session can leave.
        let refused = store.compact(ID).unwrap_err();
        assert!(refused.to_string().contains("cannot sync the directory"), "{refused}");
        assert!(lab.read().is_clean());
        store.trash(ID).unwrap();
        assert_eq!(store.session_ids().unwrap(), []);
    }
}

/// Goal: a sync of a directory that fails, where it can be done, stays a failure at any durability.
#[test]
fn a_directory_whose_sync_fails_is_no_such_system() {
    let (_, disk, store) = store();
    disk.rule(|call, _| if call == Call::SyncDir { Fate::Fails(crate::faulty::EIO) } else { Fate::Done });
    let options = JournalOptions::default().durability(Durability::Written);
    assert_eq!(store.journal_with(ID, options).unwrap_err().kind(), ErrorKind::Io);
}

/// Goal: where others may use the same files without meeting our locks, that is said; elsewhere nothing is.
#[test]
fn a_shared_file_system_is_named() {
    let (_, disk, store) = store();
    assert_eq!(store.journal("here").unwrap().caveats(), []);
    disk.share("NFS");
    let journal = store.journal(ID).unwrap();
    assert_eq!(journal.caveats(), [Caveat::LockReach("NFS")]);
    let said = journal.caveats()[0].to_string();
    assert!(said.contains("NFS") && said.contains("locks may not reach other hosts"), "{said}");
}

/// Goal: a session that its file system does not move stays whole, and the error says why. Method: the error of a rename
/// across layers.
#[test]
fn a_session_that_cannot_be_moved_stays_and_says_why() {
    const EXDEV: i32 = 18;
    let (lab, disk, store) = store();
    lab.append_one();
    disk.rule(|call, _| if call == Call::Rename { Fate::Fails(EXDEV) } else { Fate::Done });
    for refused in [store.trash(ID).map(drop), store.delete(ID)] {
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Io);
        assert!(refused.to_string().contains("overlay file system"), "{refused}");
    }
    assert!(lab.read().is_clean());
    store.journal(ID).unwrap();
}
