//! Names of session directories: every id has one that no system reserves, and comes back from it.

use crate::faulty::Faulty;
use crate::memory::Memory;
use crate::patience::delta;
use crate::support::{ID, Lab, Reading, segment};
use foldlog::{ErrorKind, SessionId, Store};
use proptest::prelude::*;
use std::path::Path;

fn name_of(id: &str) -> String {
    SessionId::new(id).unwrap().directory_name()
}

/// Goal: no name ends with a dot, which Windows drops, or is that of a device there; others stay as they were.
#[test]
fn no_name_is_reserved_on_any_system() {
    for (id, name) in [
        ("s.", "s%2E"),
        ("s..", "s.%2E"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        ("con", "%63on"),
        ("CON", "%43ON"),
        ("Nul.txt", "%4Eul.txt"),
        ("com0", "%63om0"),
        ("LPT9.a.b", "%4CPT9.a.b"),
        ("aux.", "%61ux%2E"),
        ("com", "com"),
        ("com10", "com10"),
        ("console", "console"),
        ("a.con", "a.con"),
        ("s-1", "s-1"),
        ("a/b", "a%2Fb"),
    ] {
        assert_eq!(name_of(id), name, "{id}");
        assert_eq!(SessionId::from_directory_name(name).unwrap().as_str(), id);
    }
    // The old spelling is read too.
    for old in ["s.", "con", "Nul.txt", "aux."] {
        assert_eq!(SessionId::from_directory_name(old).unwrap().as_str(), old);
    }
    assert_eq!(SessionId::from_directory_name("%73-1"), None, "only what has to be is escaped");
}

proptest! {
    /// Goal: ids survive the way into a name and back, no two share a name, and every name is harmless everywhere.
    #[test]
    fn ids_survive_the_round_trip(id in "([a-cA-C.%/ é]|con|NUL|com1|LPT[0-9])[.a-z%\\PC]{0,12}") {
        let Ok(id) = SessionId::new(id) else { return Ok(()) };
        let name = id.directory_name();
        prop_assert_eq!(SessionId::from_directory_name(&name), Some(id.clone()));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-%".contains(&byte);
        prop_assert!(name.bytes().all(plain) && !name.starts_with('.') && !name.ends_with('.'), "{}", name);
        let stem = name.split('.').next().unwrap().to_uppercase();
        let devices = ["CON", "PRN", "AUX", "NUL"];
        let numbered = stem.len() == 4 && (stem.starts_with("COM") || stem.starts_with("LPT")) && stem.ends_with(|c: char| c.is_ascii_digit());
        prop_assert!(!devices.contains(&stem.as_str()) && !numbered, "{}", name);
    }
}

/// Goal: a session that was recorded under the old spelling goes on there; two directories of one id are refused, both named.
#[test]
fn a_directory_in_the_old_spelling_is_used_and_two_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let record = |number| store.journal("run.").and_then(|journal| journal.append(delta(number))?.wait());
    record(0).unwrap();
    std::fs::rename(root.path().join("run%2E"), root.path().join("run.")).unwrap();
    record(1).unwrap();
    assert!(!root.path().join("run%2E").exists());
    assert_eq!(store.path_of(&SessionId::new("run.").unwrap()), root.path().join("run."));
    assert!(Reading::of(&store.reader("run.").unwrap()).entries.len() >= 2);
    assert_eq!(store.session_ids().unwrap().len(), 1);

    std::fs::create_dir(root.path().join("run%2E")).unwrap();
    for refused in [record(2).map(drop), store.reader("run.").map(drop), store.trash("run.").map(drop)] {
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
        assert!(refused.to_string().contains("`run%2E` and `run.`"), "{refused}");
    }
    assert_eq!(store.session_ids().unwrap().len(), 1, "listed once");
}

/// Goal: on a disk that ignores case, a second id that differs only in case is refused and both are named; the first goes on.
#[test]
fn ids_that_differ_in_case_are_told_apart_or_refused() {
    let disk = Faulty::new(Memory::default());
    disk.ignore_case();
    let store = Store::open_on(disk.clone(), "/lab").unwrap();
    let record = |id: &str| store.journal(id).and_then(|journal| journal.append(delta(0))?.wait());
    record("Run").unwrap();
    record("Run").unwrap();
    for refused in [record("run").map(drop), store.reader("rUN").map(drop), store.delete("RUN")] {
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{refused}");
        assert!(refused.to_string().to_lowercase().contains("ignores case"), "{refused}");
        assert!(refused.to_string().contains("\"Run\""), "{refused}");
    }
    record("walk").unwrap();
    // Elsewhere both are sessions.
    let store = Store::open_on(Memory::default(), Path::new("/lab")).unwrap();
    for id in ["Run", "run"] {
        store.journal(id).unwrap().append(delta(0)).unwrap().wait().unwrap();
    }
    assert_eq!(store.session_ids().unwrap().len(), 2);
}

/// Goal: the number of a reserved name counts as given, and a session of which a segment is there only in a newer version's
/// form is read but not changed.
#[test]
fn reserved_names_in_a_session_are_respected() {
    let lab = Lab::new();
    lab.append_one();
    lab.disk.set(&lab.dir.join("00000007.seal"), b"");
    lab.append_one();
    assert!(lab.files().contains_key(&segment(8)), "{:?}", lab.files().keys());
    assert!(lab.store.compact(ID).is_ok());
    // Beside the segment itself it is only another form of it.
    lab.disk.set(&lab.dir.join("00000001.jsonl.zst"), b"");
    lab.append_one();
    for name in ["7.seal", "00000009.jsonl.gz", "9.jsonl.zst"] {
        lab.disk.set(&lab.dir.join(name), b""); // no such names
    }
    lab.append_one();

    lab.disk.set(&lab.dir.join("00000006.jsonl.zst"), b"");
    for refused in [lab.store.journal(ID).map(drop), lab.store.compact(ID).map(drop)] {
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unsupported);
        assert!(refused.to_string().contains("written by a newer version"), "{refused}");
    }
    assert!(lab.store.get(ID).is_ok());
}
