//! `import --follow` beside programs that do not only append: files renamed over, cut, rewritten in place, deleted and
//! created again, directories replaced. Nothing that was written is missing, and nobody stays with a file that is gone.

use crate::patience::until as wait_until;
use foldlog::Store;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

struct Mirror {
    dir: tempfile::TempDir,
    child: Option<Child>,
}

impl Mirror {
    fn new() -> Mirror {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("logs")).unwrap();
        Mirror { dir, child: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("logs").join(name)
    }

    fn follow(&mut self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_foldlog"));
        command.arg("--root").arg(self.dir.path().join("root")).args(["import", "--follow"]);
        command.arg(self.dir.path().join("logs")).stdout(Stdio::null()).stderr(Stdio::piped());
        self.child = Some(command.spawn().unwrap());
    }

    /// What was asked in a session; nothing if it is not there.
    fn prompts(&self, session: &str) -> Vec<String> {
        let store = Store::open(self.dir.path().join("root")).unwrap();
        let record = store.get(session).map(|record| record.turns).unwrap_or_default();
        record.into_iter().map(|turn| turn.prompt).collect()
    }

    fn wait_for(&self, session: &str, words: &[&str]) {
        let wanted: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        wait_until(&format!("{words:?} in {session}"), || self.prompts(session) == wanted);
    }

    /// Ends it; what it said.
    fn end(&mut self) -> String {
        let child = self.child.take().unwrap();
        kill_process(Pid::from_raw(child.id() as i32).unwrap(), Signal::TERM).unwrap();
        let output = child.wait_with_output().unwrap();
        let words = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{words}");
        words
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A transcript of these prompts.
fn log(session: &str, prompts: &[&str]) -> String {
    let line = |prompt: &&str| {
        format!(
            "{{\"type\":\"user\",\"uuid\":\"{prompt}\",\"sessionId\":\"{session}\",\"timestamp\":\"2026-01-01T00:00:00Z\",\"message\":{{\"role\":\"user\",\"content\":\"{prompt}\"}}}}\n"
        )
    };
    prompts.iter().map(line).collect()
}

fn append(path: &Path, text: &str) {
    fs::OpenOptions::new().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

#[test]
fn a_file_that_is_replaced_is_followed_on() {
    let mut mirror = Mirror::new();
    let sessions = ["renamed", "renewed", "cut", "rewritten", "deleted", "moved"];
    for session in sessions {
        let path = mirror.path(&format!("{session}/{session}.jsonl"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, log(session, &["one", "two"])).unwrap();
    }
    mirror.follow();
    sessions.iter().for_each(|session| mirror.wait_for(session, &["one", "two"]));
    let path = |session: &str| mirror.path(&format!("{session}/{session}.jsonl"));
    let rename_over = |session: &str, prompts: &[&str]| {
        let temporary = mirror.path(&format!("{session}/temporary"));
        fs::write(&temporary, log(session, prompts)).unwrap();
        fs::rename(temporary, path(session)).unwrap();
    };
    // The same lines and more of them; other lines.
    rename_over("renamed", &["one", "two", "three"]);
    rename_over("renewed", &["one", "other"]);
    // Cut to a part of what was imported, then written on differently.
    fs::OpenOptions::new().write(true).open(path("cut")).unwrap().set_len(log("cut", &["one"]).len() as u64).unwrap();
    // Rewritten in place, and longer than before.
    fs::write(path("rewritten"), log("rewritten", &["eins", "zwei", "drei"])).unwrap();
    fs::remove_file(path("deleted")).unwrap();
    let folder = mirror.path("moved");
    fs::rename(&folder, mirror.dir.path().join("elsewhere")).unwrap();
    mirror.wait_for("renamed", &["one", "two", "three"]);
    mirror.wait_for("renewed.2", &["one", "other"]);
    mirror.wait_for("rewritten.2", &["eins", "zwei", "drei"]);
    append(&path("cut"), &log("cut", &["another"]));
    mirror.wait_for("cut.2", &["one", "another"]);
    fs::write(path("deleted"), log("deleted", &["one", "two", "again"])).unwrap();
    mirror.wait_for("deleted", &["one", "two", "again"]);
    fs::create_dir(&folder).unwrap();
    fs::write(path("moved"), log("moved", &["one", "two", "back"])).unwrap();
    mirror.wait_for("moved", &["one", "two", "back"]);
    // Each of them is followed on.
    for (session, file, prompts) in [
        ("renamed", "renamed", &["one", "two", "three", "last"][..]),
        ("renewed.2", "renewed", &["one", "other", "last"]),
        ("cut.2", "cut", &["one", "another", "last"]),
        ("rewritten.2", "rewritten", &["eins", "zwei", "drei", "last"]),
        ("deleted", "deleted", &["one", "two", "again", "last"]),
        ("moved", "moved", &["one", "two", "back", "last"]),
    ] {
        append(&path(file), &log(file, &["last"]));
        mirror.wait_for(session, prompts);
    }
    // What was imported before stays as it was.
    for session in ["renewed", "cut", "rewritten"] {
        assert_eq!(mirror.prompts(session), ["one", "two"]);
    }
    let words = mirror.end();
    assert!(words.contains("renamed.jsonl: it was replaced"), "{words}");
    assert!(words.contains("deleted.jsonl: it was deleted"), "{words}");
}

#[test]
fn what_a_replaced_file_still_had_is_taken() {
    let mut mirror = Mirror::new();
    let path = mirror.path("a.jsonl");
    fs::write(&path, log("a", &["one"])).unwrap();
    mirror.follow();
    mirror.wait_for("a", &["one"]);
    // Both between two looks, most often: a line is added, and the file is moved away for another one.
    append(&path, &log("a", &["two"]));
    fs::rename(&path, mirror.dir.path().join("rotated")).unwrap();
    fs::write(&path, log("a", &["three"])).unwrap();
    mirror.wait_for("a.2", &["three"]);
    mirror.wait_for("a", &["one", "two"]);
    mirror.end();
}

/// Goal: a change between the first and the last 4 KiB of what was read is seen. Method: one word in the middle of a file of
/// some 40 KiB is exchanged for another of the same length, once alone and once together with a line that is added.
#[test]
fn a_file_that_is_rewritten_in_its_middle_is_read_again() {
    let mut mirror = Mirror::new();
    let prompts: Vec<String> = (0..200).map(|at| format!("Number {at:04}")).collect();
    let mut words: Vec<&str> = prompts.iter().map(|prompt| &**prompt).collect();
    for session in ["alone", "grown"] {
        fs::write(mirror.path(&format!("{session}.jsonl")), log(session, &words)).unwrap();
    }
    mirror.follow();
    ["alone", "grown"].iter().for_each(|session| mirror.wait_for(session, &words));
    words[100] = "Nummer 0100";
    let rewrite = |session: &str, words: &[&str]| {
        // In place: opened without truncation.
        let mut file = fs::OpenOptions::new().write(true).open(mirror.path(&format!("{session}.jsonl"))).unwrap();
        file.write_all(log(session, words).as_bytes()).unwrap();
    };
    rewrite("alone", &words);
    mirror.wait_for("alone.2", &words);
    words.push("More");
    rewrite("grown", &words);
    mirror.wait_for("grown.2", &words);
    mirror.end();
}
