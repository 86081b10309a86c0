//! Readers, a follower and a client in Python: they share nothing with the library.

use crate::pages::worked_example;
use crate::recorder::{FOLDLOG, reader};
use crate::support::{Files, entries_of, lines, reference};
use crate::tools::need;
use foldlog::{JournalOptions, Store, TextDelta};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const GOLDEN: &[u8] = include_bytes!("../it/data/golden.jsonl");

fn verify_py(dir: &Path) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples/verify.py");
    Command::new("python3").arg(script).arg(dir).output().unwrap()
}

#[test]
fn an_independent_reader_agrees_with_every_line_and_finds_a_bad_one() {
    need("python3", "python3");
    let root = tempfile::tempdir().unwrap();
    let dir = worked_example(root.path());
    let good = verify_py(&dir);
    assert_eq!((good.status.code(), good.stdout.as_slice()), (Some(0), &b"7 good lines, 0 bad\n"[..]));
    let others = root.path().join("others");
    std::fs::create_dir(&others).unwrap();
    let mut files = reference(4000);
    files.remove("LOCK");
    files.insert("99999999.jsonl".to_owned(), GOLDEN.to_vec());
    for (name, bytes) in &files {
        std::fs::write(others.join(name), bytes).unwrap();
    }
    let count: usize = files.values().map(|bytes| lines(bytes).len()).sum();
    let agreed = verify_py(&others);
    assert_eq!(String::from_utf8_lossy(&agreed.stdout), format!("{count} good lines, 0 bad\n"));
    let path = dir.join("00000001.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("Café?", "Cafe\u{301}")).unwrap();
    let bad = verify_py(&dir);
    assert_eq!((bad.status.code(), bad.stdout.as_slice()), (Some(1), &b"6 good lines, 1 bad\n"[..]));
}

#[test]
fn an_independent_reader_passes_over_what_a_segment_was_filled_ahead_with() {
    need("python3", "python3");
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let journal = store.journal_with("s-1", JournalOptions::default().prefill(1_000)).unwrap();
    journal.append(TextDelta::new("t-1", "hello")).unwrap().wait().unwrap();
    let read = verify_py(&root.path().join("s-1"));
    assert_eq!((read.status.code(), read.stdout.as_slice()), (Some(0), &b"2 good lines, 0 bad\n"[..]));
}

/// Goal: the follower in the documents does what they say. Method: it runs beside a writer that rolls over, dies and comes
/// back; what it prints is compared with the lines on disk.
#[test]
fn the_follower_in_python_misses_nothing() {
    need("python3", "python3");
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let dir = root.path().join("s-1");
    std::fs::create_dir(&dir).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples/follow.py");
    let mut python = Command::new("python3").arg(script).arg(&dir).stdout(Stdio::piped()).spawn().unwrap();
    let mut printed = BufReader::new(python.stdout.take().unwrap()).lines();
    let options = JournalOptions::default().segment_bytes(3_000);
    let mut last = 0;
    for _ in 0..4 {
        let journal = store.journal_with("s-1", options.clone()).unwrap();
        for number in 0..60 {
            last = journal.append(TextDelta::new("t-1", format!("{number} é"))).unwrap().wait().unwrap().get();
        }
        drop(journal);
        // Half a line of a dead writer, which the next opening cuts.
        let newest = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
        let newest = newest.filter(|path| path.extension().is_some_and(|end| end == "jsonl")).max().unwrap();
        let whole = std::fs::read(&newest).unwrap();
        std::fs::write(&newest, [&whole[..], b"{\"seq\":9"].concat()).unwrap();
    }
    let files: Files = std::fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect();
    for (seq, line) in entries_of(&files) {
        assert_eq!(printed.next().unwrap().unwrap().as_bytes(), line, "{seq} of {last}");
    }
    python.kill().unwrap();
    python.wait().unwrap();
}

/// Goal: the client in the documents continues where it ended, hands over what it pushes at once, and tells of errors.
/// Method: it runs twice; then a recorder that is no foldlog answers it with each kind of reply, or ends.
#[test]
fn the_client_in_python_does_what_the_documents_say() {
    need("python3", "python3");
    let root = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples/client.py");
    let run = |foldlog: &Path| -> Output {
        let mut command = Command::new("python3");
        command.arg(&script).arg("s").env("FOLDLOG", foldlog).env("FOLDLOG_ROOT", root.path());
        command.output().unwrap()
    };
    for _ in 0..2 {
        let output = run(Path::new(FOLDLOG));
        assert!(output.status.success(), "{output:?}");
    }
    let turns = reader(root.path(), "s").fold().unwrap().turns;
    assert_eq!(turns.len(), 6);
    assert!(turns.iter().all(|turn| turn.status.as_str() == "success" && turn.response_content.is_some()));

    let ready = r#"echo '{"v":1,"ready":true,"last_seq":0,"last_id":null,"open":[]}'"#;
    for (rest, code, words) in [
        ("exit 7", Some(1), "exit code 7"),
        ("read line; exec >&- ; cat >/dev/null; exit 3", Some(1), "exit code 3"),
        ("read line; printf '{\"line\":1,\"se'; exit 3", Some(1), "exit code 3"),
        (r#"read line; echo '{"line":1,"error":"no good"}'; cat >/dev/null"#, Some(1), "line 1: no good"),
        (
            r#"read line; echo '{"waiting":"disk full"}'; echo '{"waiting":null}'; echo '{"line":1,"warning":"odd"}'
            echo '{"line":1,"seq":2}'; read line; echo '{"line":2,"seq":3}'; read line; echo '{"line":3,"error":"late"}'"#,
            Some(1),
            "line 3: late",
        ),
    ] {
        let fake = root.path().join("fake");
        std::fs::write(&fake, format!("#!/bin/sh\n{ready}\n{rest}\n")).unwrap();
        let output = run_fake(&run, &fake);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == code && said.contains(words), "{rest}: {output:?}");
        assert_eq!(said.contains("disk full") && said.contains("odd"), rest.contains("disk full"), "{said}");
    }
}

/// Makes the script a program, and runs it.
fn run_fake(run: &dyn Fn(&Path) -> Output, fake: &Path) -> Output {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(fake, std::fs::Permissions::from_mode(0o755)).unwrap();
    run(fake)
}
