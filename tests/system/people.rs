//! Other users, and somebody at a terminal.

use crate::recorder::FOLDLOG;
use crate::tools::{need, need_root};
use foldlog::{Store, TurnStarted};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

/// Goal: a relative root below a working directory that may not be searched is an error that names the path. Method: another
/// user than the directory's owner.
#[test]
fn a_root_that_cannot_be_reached_is_an_error_that_names_it() {
    need_root();
    need("setpriv", "util-linux");
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o700)).unwrap();
    // The program stands where that user may run it.
    let programs = tempfile::tempdir().unwrap();
    fs::set_permissions(programs.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = programs.path().join("foldlog");
    fs::copy(FOLDLOG, &program).unwrap();
    for root in ["R", "deep/er/R", "./R", "R/../S"] {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
        command.args(["--root", root, "record", "s"]).current_dir(place.path()).stdin(Stdio::null());
        let output = command.output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(7), "{root}: {words}");
        assert!(words.contains(&format!("cannot create `{root}/s`: Permission denied")), "{root}: {words}");
    }
}

#[test]
fn on_a_terminal_it_asks() {
    need("script", "bsdutils");
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let ask = |answer: &str| {
        let mut command = Command::new("script");
        command.args(["-qec", &format!("{FOLDLOG} --root {} rm s-1", root.path().display()), "/dev/null"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let journal = store.journal("s-1").unwrap();
    journal.push(TurnStarted::new("t-1", "Fix the build")).unwrap();
    journal.close().wait().unwrap();
    let ids = || store.session_ids().unwrap().iter().map(ToString::to_string).collect::<Vec<_>>();
    for no in ["n\n", "\n", "yesterday\n"] {
        let (code, out) = ask(no);
        assert_eq!(code, Some(1), "{no:?}: {out}");
        assert!(out.contains("Go on? [y/N]") && out.contains("nothing was touched"), "{out}");
        assert_eq!(ids(), ["s-1"]);
    }
    assert_eq!(ask("y\n").0, Some(0));
    let in_trash: Vec<String> = store.trashed().unwrap().iter().map(|one| one.session_id.to_string()).collect();
    assert_eq!((ids(), in_trash), (vec![], vec!["s-1".to_owned()]));
}
