//! One writer a journal, and nothing outside it: locks, fences, links, hostile ids, the modes of files.

use crate::memory::Memory;
use crate::not_files::fifo;
use crate::patience::{delta, in_time};
use crate::support::{Files, ID, Lab, add, child, child_place, lines, segment};
use foldlog::{Error, ErrorKind, GapKind, JournalOptions, Reader, Seq, SessionStarted, Store};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

#[test]
fn a_second_writer_in_the_same_process_is_told_who_holds_the_journal() {
    // Goal: the kernel's lock also stands between two stores of one process. Method: open twice.
    let root = tempfile::tempdir().unwrap();
    let first = Store::open(root.path()).unwrap().journal(ID).unwrap();
    let error = Store::open(root.path()).unwrap().journal(ID).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.to_string().contains(&format!("pid {}", std::process::id())), "{error}");
    assert!(Reader::open(root.path().join(ID)).is_err(), "nothing is recorded yet");
    first.append(delta(0)).unwrap().wait().unwrap();
    assert!(Reader::open(root.path().join(ID)).unwrap().is_live().unwrap());
    first.close().wait().unwrap();
    let second = Store::open(root.path()).unwrap().journal(ID).unwrap();
    assert_eq!(second.append(delta(1)).unwrap().wait().unwrap(), Seq::new(3));
}

#[test]
fn child_that_holds_a_journal() {
    let Some(place) = child_place() else { return };
    let journal = Store::open(place).unwrap().journal(ID).unwrap();
    journal.append(delta(0)).unwrap().wait().unwrap();
    println!("held");
    let _ = std::io::stdin().read(&mut [0]);
    std::process::abort();
}

#[test]
fn a_second_writer_in_another_process_is_told_who_holds_the_journal() {
    // Goal: `Locked` with the holder's pid, and a dead holder blocks nobody. Method: a child holds it, then aborts.
    let root = tempfile::tempdir().unwrap();
    let mut holder = child("one_writer::child_that_holds_a_journal", root.path()).spawn().unwrap();
    let mut output = BufReader::new(holder.stdout.take().unwrap()).lines();
    assert!(output.any(|line| line.unwrap().contains("held")), "the child did not start");
    let store = Store::open(root.path()).unwrap();
    let error = store.journal(ID).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.to_string().contains(&format!("pid {}", holder.id())), "{error}");
    assert_eq!(store.delete(ID).unwrap_err().kind(), ErrorKind::Locked);
    drop(holder.stdin.take());
    assert!(!holder.wait().unwrap().success());
    let journal = store.journal(ID).unwrap();
    assert_eq!(journal.recovered().last_seq, Seq::new(1));
}

#[test]
fn readers_that_probe_the_lock_keep_no_writer_out() {
    // Goal: looking whether somebody writes never makes an opening fail. Method: probe all the time while opening.
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let journal = store.journal(ID).unwrap();
    journal.append(delta(0)).unwrap().wait().unwrap();
    drop(journal);
    let stop = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let reader = store.reader(ID).unwrap();
                while stop.load(Ordering::SeqCst) == 0 {
                    let _ = reader.is_live().unwrap();
                }
            });
        }
        let opened: Vec<_> = (0..50).map(|_| store.journal(ID).map(drop)).collect();
        stop.store(1, Ordering::SeqCst);
        assert!(opened.iter().all(Result::is_ok), "{opened:?}");
    });
}

#[test]
fn a_next_segment_that_exists_already_fences_the_writer() {
    // Goal: two writers never share a segment. Method: the file of the next segment is there at roll-over.
    let lab = Lab::new();
    let journal = lab.store.journal_with(ID, JournalOptions::default().segment_bytes(600)).unwrap();
    journal.append(delta(0)).unwrap().wait().unwrap();
    lab.disk.set(&lab.dir.join(segment(2)), b"somebody else's");
    let error =
        (0..10).find_map(|number| journal.append(delta(number)).map_err(Error::from).and_then(|t| t.wait()).err());
    assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::Fenced));
    assert_eq!(lab.files()[&segment(2)], b"somebody else's");
}

#[test]
fn a_directory_that_holds_another_session_is_refused() {
    // Goal: a renamed directory does not become another session. Method: move it.
    let lab = Lab::new();
    lab.append_one();
    let files: Files = lab.files();
    lab.disk.restore(Path::new("/lab/s-2"), &files);
    let error = lab.store.journal("s-2").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongSession);
    assert!(error.to_string().contains("s-1"), "{error}");
    assert_eq!(lab.store.reader("s-2").unwrap().session_id().as_str(), ID);
}

#[test]
fn files_and_directories_are_for_their_owner_alone() {
    // Goal: 0700 and 0600 whatever the umask lets through, for torn files too. Method: look at every one of them.
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path().join("a").join("b")).unwrap();
    store.journal(ID).unwrap().append(delta(0)).unwrap().wait().unwrap();
    let dir = root.path().join("a").join("b").join(ID);
    let path = dir.join(segment(1));
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend_from_slice(b"{\"seq\":2,");
    std::fs::write(&path, bytes).unwrap();
    store.journal(ID).unwrap().append(delta(1)).unwrap().wait().unwrap();
    let mode = |path: &Path| std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
    for place in [root.path().join("a"), root.path().join("a/b"), dir.clone()] {
        assert_eq!(mode(&place), 0o700, "{}", place.display());
    }
    let names: Vec<PathBuf> = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(names.iter().any(|path| path.extension().is_some_and(|ext| ext == "torn")), "{names:?}");
    for path in names {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn links_in_the_place_of_directories_and_files_are_refused() {
    // Goal: nothing outside the root is read or written through a link. Method: links to a victim in every place.
    let root = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim");
    std::fs::write(&victim, b"mine").unwrap();
    let store = Store::open(root.path()).unwrap();

    symlink(outside.path(), root.path().join("linked")).unwrap();
    assert_eq!(store.journal("linked").unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(store.reader("linked").unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(store.session_ids().unwrap().is_empty());

    for name in ["LOCK", "00000001.jsonl"] {
        let dir = root.path().join(format!("with-{name}"));
        std::fs::create_dir(&dir).unwrap();
        symlink(&victim, dir.join(name)).unwrap();
        let id = format!("with-{name}");
        let recorded = store.journal(&id).and_then(|journal| journal.append(delta(0))?.wait());
        assert_eq!(recorded.is_err(), name == "LOCK", "{name}");
        if name != "LOCK" {
            assert!(dir.join(segment(2)).is_file(), "its number counts as given");
            assert!(!store.reader(&id).unwrap().verify().unwrap().clean);
        }
    }

    // A link, or a FIFO, put in the place of a segment that is already there.
    let journal = store.journal(ID).unwrap();
    journal.append(delta(0)).unwrap().wait().unwrap();
    drop(journal);
    let path = root.path().join(ID).join(segment(1));
    std::fs::rename(&path, root.path().join(ID).join("elsewhere")).unwrap();
    symlink("elsewhere", &path).unwrap();
    let is_foreign = |store: &Store| {
        let gaps = store.reader(ID).unwrap().verify().unwrap().gaps;
        gaps.iter().any(|gap| gap.kind == GapKind::Foreign) && store.journal(ID).is_ok()
    };
    assert!(is_foreign(&store));
    std::fs::remove_file(&path).unwrap();
    fifo(&path);
    let same = store.clone();
    assert!(in_time("a FIFO", move || is_foreign(&same)));
    assert_eq!(std::fs::read(&victim).unwrap(), b"mine");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1, "nothing new outside");
}

#[test]
fn links_in_the_place_of_files_in_the_making_lead_nowhere() {
    // Goal: what recovery, compaction and a roll-over make is made where it stands. Method: a link to a victim under each
    // name that is about to be made.
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let victim = outside.path().join("victim");
    std::fs::write(&victim, b"mine").unwrap();
    let (store, dir) = (Store::open(root.path()).unwrap(), root.path().join(ID));
    let options = || JournalOptions::default().segment_bytes(600);
    let journal = store.journal_with(ID, options()).unwrap();
    (0..9).for_each(|number| assert!(journal.push(delta(number)).is_ok()));
    journal.sync().unwrap().wait().unwrap();
    drop(journal);
    let newest = (1..).take_while(|number| dir.join(segment(*number)).is_file()).last().unwrap();
    let end = std::fs::metadata(dir.join(segment(newest))).unwrap().len();
    add(&dir.join(segment(newest)), b"{\"seq\":");
    let link = |name: &str| symlink(&victim, dir.join(name)).unwrap();
    [".torn", ".torn.part"].iter().for_each(|ending| link(&format!("{newest:08}.{end}{ending}")));
    (1..=newest).for_each(|number| link(&format!("{}.tmp", segment(number))));
    let journal = store.journal_with(ID, options()).unwrap();
    link(&segment(newest + 2));
    let error =
        (0..20).find_map(|number| journal.append(delta(number)).map_err(Error::from).and_then(|t| t.wait()).err());
    assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::Fenced), "a link in the next segment's place");
    drop(journal);
    std::fs::remove_file(dir.join(segment(newest + 2))).unwrap();
    store.compact(ID).unwrap();
    assert_eq!(std::fs::read(&victim).unwrap(), b"mine");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1, "nothing new outside");
}

#[test]
fn hostile_ids_stay_below_the_root() {
    // Goal: no id reaches another place; each is refused or gets a directory of its own. Method: the usual suspects.
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("root");
    let store = Store::open(&root).unwrap();
    let long = "x".repeat(5000);
    let wide = "é".repeat(34);
    for id in ["", &long, &wide] {
        assert_eq!(store.journal(id).unwrap_err().kind(), ErrorKind::InvalidInput, "{id:?}");
        assert_eq!(store.reader(id).unwrap_err().kind(), ErrorKind::InvalidInput, "{id:?}");
        assert_eq!(store.delete(id).unwrap_err().kind(), ErrorKind::InvalidInput, "{id:?}");
    }
    let fits = "é".repeat(33);
    let odd = [
        "..",
        ".",
        "../x",
        "a/b",
        "/etc/passwd",
        "\0",
        "a\0b",
        "\n",
        "\u{1b}[2J",
        ".hidden",
        ".leaving",
        "LOCK",
        "-rf",
        "%2e%2e",
        "a%2Fb",
        "CON",
        "s-1 ",
        "\u{202e}cod",
        "S-1",
        "s-1",
        "\\",
        "~",
        "*",
        &fits,
    ];
    for id in odd {
        let journal = store.journal(id).unwrap();
        journal.append(SessionStarted::new(id)).unwrap().wait().unwrap();
        assert_eq!(store.reader(id).unwrap().session_id().as_str(), id);
    }
    let mut ids: Vec<String> = store.session_ids().unwrap().iter().map(ToString::to_string).collect();
    let mut wanted: Vec<&str> = odd.to_vec();
    ids.sort();
    wanted.sort_unstable();
    assert_eq!(ids, wanted);
    for entry in std::fs::read_dir(&root).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-%".contains(&byte);
        assert!(name.len() <= 200 && !name.starts_with('.') && name.bytes().all(plain), "{name:?}");
    }
    assert_eq!(std::fs::read_dir(outer.path()).unwrap().count(), 1, "nothing beside the root");
    store.delete("..").unwrap();
    assert!(root.is_dir() && store.session_ids().unwrap().len() == odd.len() - 1);
}

#[test]
fn files_we_do_not_know_are_left_alone() {
    // Goal: neither reading nor recovery minds or removes what is not ours. Method: put all sorts of things there.
    let lab = Lab::new();
    lab.append_one();
    let strange = ["notes.txt", "1.jsonl", "00000002.jsonl.bak", "00000001 (1).jsonl", "00000000.jsonl", "x.torn"];
    for name in strange {
        lab.disk.set(&lab.dir.join(name), b"keep me");
    }
    lab.append_one();
    assert!(lab.read().gaps.is_empty());
    assert!(strange.iter().all(|name| lab.files()[*name] == b"keep me"));
    let disk: Memory = lab.disk.clone();
    assert_eq!(lines(&disk.get(&lab.dir.join(segment(1)))).len(), 3);
}
