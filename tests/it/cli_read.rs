//! The commands that read: exit codes, the JSON contracts, and that nothing recorded reaches a terminal raw.
//!
//! Every test makes journals through the library and runs the program on them.

use foldlog::{
    Journal, JournalOptions, Json, Store, TextDelta, Timestamp, ToolCallEnded, ToolCallStarted, TurnEnded, TurnStarted,
};
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// What a terminal would obey, in everything that a run can bring: an escape sequence, C1, DEL and text turned around.
const HOSTILE: &str = "a\u{1b}[2Jb\u{9b}31mc\u{7f}d\u{202e}e\u{2066}f\u{200f}g\u{2028}h\u{7}i";

struct Root {
    dir: tempfile::TempDir,
    store: Store,
}

impl Root {
    fn new() -> Root {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        Root { dir, store }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_foldlog"));
        command.arg("--root").arg(self.dir.path()).args(args);
        command.env("TZ", "UTC").env_remove("COLUMNS").stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        Ran::from(self.command(args).output().unwrap())
    }

    /// The files of a session.
    fn segment(&self, session: &str, number: u64) -> PathBuf {
        self.dir.path().join(session).join(format!("{number:08}.jsonl"))
    }

    /// A session with one turn that went well and one call that did not.
    fn ordinary(&self, session: &str) {
        let journal = self.store.journal(session).unwrap();
        journal.push(foldlog::SessionStarted::new(session).workspace_id("w-1").agent_id("coder")).unwrap();
        turn(&journal, "t-1", "Fix the build");
        journal.close().wait().unwrap();
    }

    /// A run that died in the middle of a turn with two open calls.
    fn died(&self, session: &str) {
        let journal = self.store.journal(session).unwrap();
        turn(&journal, "t-1", "Fix the build");
        journal.push(TurnStarted::new("t-2", "And the tests")).unwrap();
        journal.push(ToolCallStarted::new("t-2", "c-8", "bash")).unwrap();
        journal.push(ToolCallStarted::new("t-2", "c-9", "read")).unwrap();
        drop(journal); // a close would say that the end was meant
    }

    /// A session with one entry whose bytes have rotted: the first text, seq 3.
    fn damaged(&self, session: &str) {
        self.ordinary(session);
        let path = self.segment(session, 1);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replacen("Looking", "Cooking", 1)).unwrap();
    }
}

fn turn(journal: &Journal, turn_id: &str, prompt: &str) {
    journal.push(TurnStarted::new(turn_id, prompt)).unwrap();
    for text in ["Looking", " at", " it"] {
        journal.push(TextDelta::new(turn_id, text)).unwrap();
    }
    let arguments = Json::parse(r#"{"command":"cargo build"}"#).unwrap();
    journal.push(ToolCallStarted::new(turn_id, "c-1", "bash").arguments(arguments)).unwrap();
    journal.push(ToolCallEnded::new(turn_id, "c-1").error("exit 101").duration_ms(Some(5300.0))).unwrap();
    journal.append(TurnEnded::success(turn_id)).unwrap().wait().unwrap();
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
}

#[test]
fn fold_prints_the_record_on_one_line() {
    let root = Root::new();
    root.ordinary("s-1");
    let ran = root.run(&["fold", "s-1"]);
    assert_eq!((ran.code, ran.out.lines().count(), ran.err.as_str()), (Some(0), 1, ""));
    let record = serde_json::to_string(&root.store.get("s-1").unwrap()).unwrap();
    assert_eq!(ran.out.trim_end(), record);
    let pretty = root.run(&["fold", "s-1", "--pretty"]);
    assert!(pretty.out.lines().count() > 20);
    assert_eq!(serde_json::from_str::<Value>(&pretty.out).unwrap(), ran.json()[0]);
    let early = root.run(&["fold", "s-1", "--at", "2"]).json();
    assert_eq!(early[0]["turns"][0]["status"], "running");
}

#[test]
fn verify_json_has_exactly_these_members() {
    let root = Root::new();
    root.damaged("s-1");
    let ran = root.run(&["verify", "s-1", "--json"]);
    assert_eq!(ran.code, Some(3));
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let report = &ran.json()[0];
    let mut expected =
        ["v", "session_id", "segments", "entries", "first_seq", "last_seq", "synced", "clean", "not_json", "gaps"]
            .to_vec();
    expected.sort_unstable();
    assert_eq!(keys(report), expected);
    assert!(ran.out.starts_with(r#"{"v":1,"session_id":"s-1","segments":1,"entries":8,"first_seq":1,"last_seq":9,"#));
    let gap = &report["gaps"][0];
    let mut expected =
        ["segment", "offset", "bytes", "kind", "first_seq", "last_seq", "acknowledged", "explained"].to_vec();
    expected.sort_unstable();
    assert_eq!(keys(gap), expected);
    assert_eq!((&gap["first_seq"], &gap["explained"], &report["clean"]), (&3.into(), &false.into(), &false.into()));
}

#[test]
fn verify_goes_on_after_a_session_that_is_not_there() {
    let root = Root::new();
    root.ordinary("s-1");
    root.damaged("s-2");
    let ran = root.run(&["verify", "s-1", "nope", "s-2", "--json"]);
    assert_eq!((ran.code, ran.out.lines().count()), (Some(4), 2));
    assert!(ran.err.contains("no session \"nope\"") && ran.err.contains("damage in session \"s-2\""), "{}", ran.err);
    assert_eq!(root.run(&["verify", "s-1"]).code, Some(0));
}

#[test]
fn a_damaged_journal_is_read_as_far_as_it_can_be() {
    let root = Root::new();
    root.damaged("s-1");
    for args in [
        &["fold", "s-1"][..],
        &["show", "s-1"],
        &["show", "s-1", "--json"],
        &["tail", "s-1", "-n", "99"],
        &["tail", "s-1", "-n", "99", "--json"],
        &["replay", "s-1", "--speed", "0"],
    ] {
        let ran = root.run(args);
        assert_eq!(ran.code, Some(3), "{args:?}");
        assert!(ran.err.contains("seq 3 is missing"), "{args:?}: {}", ran.err);
        assert!(ran.out.contains("exit 101") && ran.out.contains("Fix the build"), "{args:?}: {}", ran.out);
    }
    assert_eq!(root.run(&["tail", "s-1", "-n", "99", "--json"]).out.lines().count(), 8);
}

#[test]
fn the_first_three_lines_of_show_are_the_verdict_on_a_run_that_died() {
    let root = Root::new();
    root.died("s-1");
    let ran = root.run(&["show", "s-1"]);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(lines[0].starts_with("s-1 · started ") && lines[0].ends_with("2 turns, 3 calls"), "{}", lines[0]);
    assert!(lines[1].contains("interrupted, no clean end; last entry seq 10 at "), "{}", lines[1]);
    assert!(lines[1].contains("of silence before it") && lines[1].ends_with("in bash c-1: exit 101"), "{}", lines[1]);
    assert_eq!(lines[2], "left open: turn t-2 with bash c-8, read c-9");
    assert!(ran.out.contains("⊘ bash  interrupted"), "{}", ran.out);
    assert!(ran.out.contains("    Looking at it\n"), "{}", ran.out);
    // Reopened and closed at once, it is still a run that died.
    root.store.journal("s-1").unwrap().close().wait().unwrap();
    let again = root.run(&["show", "s-1"]);
    assert_eq!(again.out.lines().nth(2), Some("left open: turn t-2 with bash c-8, read c-9"));
    assert!(again.out.lines().nth(1).unwrap().contains("interrupted"), "{}", again.out);
}

#[test]
fn show_says_whether_a_run_goes_on_was_closed_or_ended() {
    let root = Root::new();
    let journal = root.store.journal("s-1").unwrap();
    journal.append(TurnStarted::new("t-1", "Hi")).unwrap().wait().unwrap();
    let live = root.run(&["show", "s-1"]);
    assert!(live.out.lines().nth(1).unwrap().contains("still being recorded; last entry seq 1"), "{}", live.out);
    assert_eq!(live.out.lines().nth(2), Some("running: turn t-1"));
    journal.append(TurnEnded::success("t-1")).unwrap().wait().unwrap();
    journal.close().wait().unwrap();
    let closed = root.run(&["show", "s-1"]);
    assert!(closed.out.lines().nth(1).unwrap().contains("✓ closed at 20"), "{}", closed.out);
    assert_eq!(closed.out.lines().nth(2), Some("nothing left open"));
    let journal = root.store.journal("s-1").unwrap();
    journal.push(TurnStarted::new("t-2", "More")).unwrap();
    journal.end_session("done").unwrap().wait().unwrap();
    drop(journal);
    let ended = root.run(&["show", "s-1"]);
    assert!(ended.out.lines().nth(1).unwrap().contains("✓ ended (done) at"), "{}", ended.out);
    assert_eq!(ended.out.lines().nth(2), Some("nothing left open"));
}

#[test]
fn show_json_is_a_verdict_and_then_the_items() {
    let root = Root::new();
    root.died("s-1");
    let lines = root.run(&["show", "s-1", "--json"]).json();
    assert!(lines.iter().all(|line| line["v"] == 1));
    let verdict = &lines[0];
    assert_eq!((&verdict["kind"], &verdict["state"]), (&"verdict".into(), &"interrupted".into()));
    assert_eq!(verdict["open"][0]["calls"][1]["call_id"], "c-9");
    assert_eq!(verdict["last_error"]["what"], "bash c-1");
    let kinds: Vec<&str> = lines[1..].iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["turn", "text", "tool_call", "turn", "tool_call", "tool_call"]);
    assert_eq!(lines[6]["status"], "interrupted");
}

#[test]
fn show_can_be_narrowed_to_a_turn_and_to_what_failed() {
    let root = Root::new();
    root.died("s-1");
    let one = root.run(&["show", "s-1", "--turn", "t-2"]);
    assert!(one.out.contains("And the tests") && !one.out.contains("Fix the build"), "{}", one.out);
    let failed = root.run(&["show", "s-1", "--failed"]);
    assert!(failed.out.contains("exit 101") && !failed.out.contains("Looking at it"), "{}", failed.out);
    let none = root.run(&["show", "s-1", "--turn", "t-9"]);
    assert_eq!(none.code, Some(1));
    assert!(none.err.contains("no turn \"t-9\""), "{}", none.err);
}

#[test]
fn tail_prints_the_last_entries_byte_for_byte_or_for_people() {
    let root = Root::new();
    root.ordinary("s-1");
    let all = fs::read_to_string(root.segment("s-1", 1)).unwrap();
    let all: Vec<&str> = all.lines().skip(1).collect();
    let lines = |args: &[&str]| {
        let ran = root.run(&[&["tail", "s-1", "--json"], args].concat());
        (ran.code, ran.out.lines().map(str::to_owned).collect::<Vec<_>>())
    };
    assert_eq!(lines(&["-n", "2"]), (Some(0), all[7..].iter().map(|line| line.to_string()).collect()));
    assert_eq!(lines(&["--from", "2"]).1, all[1..]);
    assert_eq!(lines(&["--from", "2", "-n", "1"]).1, all[8..]);
    assert_eq!(lines(&["--type", "text_delta", "--type", "turn_ended"]).1.len(), 4);
    assert_eq!(lines(&["-n", "0"]), (Some(0), vec![]));
    assert_eq!(lines(&["--type", "nope"]), (Some(1), vec![]));
    let people = root.run(&["tail", "s-1"]).out;
    assert!(people.contains("¶ Looking at it\n"), "{people}");
    assert!(people.contains("✗ bash ended: exit 101  5.3s\n"), "{people}");
    assert_eq!(people.lines().count(), 7, "{people}");
}

#[test]
fn recorded_text_never_reaches_people_raw() {
    let root = Root::new();
    let session = format!("s-{HOSTILE}");
    let journal = root.store.journal(session.as_str()).unwrap();
    let started = foldlog::SessionStarted::new(session.as_str()).workspace_id(HOSTILE).agent_id(HOSTILE);
    journal.push(started).unwrap();
    journal.push(TurnStarted::new(HOSTILE, HOSTILE).agent_id(HOSTILE)).unwrap();
    journal.push(TextDelta::new(HOSTILE, HOSTILE)).unwrap();
    journal.push(ToolCallStarted::new(HOSTILE, HOSTILE, HOSTILE)).unwrap();
    journal.push(ToolCallEnded::new(HOSTILE, HOSTILE).error(HOSTILE)).unwrap();
    journal.push(ToolCallEnded::new(HOSTILE, "never started").error(HOSTILE)).unwrap();
    journal.push(foldlog::AgentTransition::new(HOSTILE).from_agent(HOSTILE).reason(HOSTILE)).unwrap();
    journal.push(foldlog::Custom::new(HOSTILE, Json::string(HOSTILE))).unwrap();
    journal.push(ToolCallStarted::new(HOSTILE, "open", HOSTILE)).unwrap();
    drop(journal);
    for args in [
        &["show"][..],
        &["show", "--failed"],
        &["show", "--turn", HOSTILE],
        &["tail", "-n", "50"],
        &["ls"],
        &["verify"],
        &["show", "--turn", "x\u{1b}[2J\u{202e}"],
        &["show", "nope\u{1b}[2J\u{202e}"],
        &["show", "--\u{1b}[2J\u{202e}"],
        &["tail", "/nope\u{1b}[2J\u{202e}"],
    ] {
        let ran = root.run(args);
        let words = format!("{}{}", ran.out, ran.err);
        let raw = words.chars().find(|c| {
            (c.is_control() && *c != '\n')
                || matches!(*c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}'..='\u{200f}' | '\u{2028}')
        });
        assert_eq!(raw, None, "{args:?}: {words:?}");
        assert!(words.contains("\\u{202e}"), "{args:?}: {words:?}");
    }
}

#[test]
fn a_session_is_named_by_id_prefix_path_or_not_at_all() {
    let root = Root::new();
    root.ordinary("run-a");
    root.ordinary("run-ab");
    root.ordinary("other");
    let named = |session: &str| {
        let ran = root.run(&["fold", session]);
        (ran.code, ran.json().first().map(|record| record["session_id"].as_str().unwrap().to_owned()))
    };
    assert_eq!(named("run-a"), (Some(0), Some("run-a".to_owned())), "an exact id wins over longer ones");
    assert_eq!(named("o"), (Some(0), Some("other".to_owned())));
    let path = root.dir.path().join("run-ab");
    assert_eq!(named(path.to_str().unwrap()), (Some(0), Some("run-ab".to_owned())));
    let ambiguous = root.run(&["fold", "run"]);
    assert_eq!((ambiguous.code, ambiguous.out.as_str()), (Some(2), ""));
    assert!(ambiguous.err.contains("\"run-a\", \"run-ab\""), "{}", ambiguous.err);
    assert_eq!(named("nope"), (Some(4), None));
    assert_eq!(named("./nope"), (Some(4), None));
    let newest = root.run(&["fold"]).json();
    assert_eq!(newest[0]["session_id"], "other");
    for command in ["fold", "show", "tail", "verify"] {
        assert_eq!(Root::new().run(&[command]).code, Some(4), "{command} in an empty root");
    }
    assert_eq!(root.run(&["fold", "--nonsense"]).code, Some(2));
}

#[test]
fn ls_lists_sessions_newest_first_and_can_be_narrowed() {
    let root = Root::new();
    root.ordinary("idle");
    root.died("dead");
    let journal = root.store.journal("live").unwrap();
    let earlier = Timestamp::from_micros(Timestamp::now().micros() - 3 * 86_400_000_000);
    journal.append(foldlog::Draft::from(TurnStarted::new("t-1", "Hi")).time(earlier)).unwrap().wait().unwrap();
    let lines = root.run(&["ls", "--json"]).json();
    let seen: Vec<(&str, &str)> =
        lines.iter().map(|line| (line["session_id"].as_str().unwrap(), line["state"].as_str().unwrap())).collect();
    // The newest is the one that was touched last, whatever times its events have.
    assert_eq!(seen, [("live", "live"), ("dead", "interrupted"), ("idle", "idle")]);
    assert_eq!((&lines[1]["turns"], &lines[1]["errors"], &lines[1]["v"]), (&2.into(), &1.into(), &1.into()));
    assert_eq!(lines[2]["first_prompt"], "Fix the build");
    let ids = |args: &[&str]| {
        let ran = root.run(&[&["ls", "--json"], args].concat());
        let ids = ran.json().iter().map(|line| line["session_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        (ran.code, ids)
    };
    assert_eq!(ids(&["--workspace", "w-1"]), (Some(0), vec!["idle".to_owned()]));
    assert_eq!(ids(&["--since", "2d"]).1, ["live", "dead", "idle"], "by when they were touched, as `prune` goes");
    assert_eq!(ids(&["--state", "live"]).1, ["live"]);
    assert_eq!(ids(&["--state", "ended"]), (Some(1), vec![]));
    assert_eq!(root.run(&["ls", "--since", "soon"]).code, Some(2));
    assert_eq!(Root::new().run(&["ls"]).code, Some(0));
}

#[test]
fn ls_hides_no_session_behind_a_bad_one() {
    let root = Root::new();
    root.ordinary("good");
    root.damaged("rotten");
    fs::create_dir_all(root.dir.path().join("bad")).unwrap();
    std::os::unix::fs::symlink("/dev/null", root.segment("bad", 1)).unwrap();
    let ran = root.run(&["ls", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let damaged: Vec<(Value, Value)> =
        ran.json().iter().map(|line| (line["session_id"].clone(), line["damaged"].clone())).collect();
    assert_eq!(damaged, [("rotten".into(), true.into()), ("good".into(), false.into()), ("bad".into(), true.into())]);
    let table = root.run(&["ls"]).out;
    assert_eq!((table.matches("idle!").count(), table.matches("interrupted!").count()), (1, 1), "{table}");
}

/// A large journal is not read whole: exact after a clean close, a lower bound before.
#[test]
fn ls_takes_the_counts_of_a_large_journal_from_its_ends() {
    let root = Root::new();
    let options = JournalOptions::default().segment_bytes(700_000);
    let journal = root.store.journal_with("s-1", options).unwrap();
    journal.push(foldlog::SessionStarted::new("s-1").workspace_id("w-1")).unwrap();
    for number in 0..100 {
        let turn_id = format!("t-{number}");
        turn(&journal, &turn_id, "Fix the build");
        journal.push(TextDelta::new(turn_id.as_str(), "x".repeat(9_000))).unwrap();
    }
    journal.sync().unwrap().wait().unwrap();
    let open = &root.run(&["ls", "--json"]).json()[0];
    assert_eq!((&open["approximate"], &open["state"]), (&true.into(), &"live".into()));
    let turns = open["turns"].as_u64().unwrap();
    assert!((70..100).contains(&turns), "{turns}");
    assert!(root.run(&["ls"]).out.contains(&format!("  {turns}+")));
    journal.close().wait().unwrap();
    let closed = &root.run(&["ls", "--json"]).json()[0];
    assert_eq!((&closed["approximate"], &closed["state"]), (&false.into(), &"idle".into()));
    assert_eq!((&closed["turns"], &closed["errors"], &closed["segments"]), (&100.into(), &100.into(), &2.into()));
    assert_eq!((&closed["workspace_id"], &closed["first_prompt"]), (&"w-1".into(), &"Fix the build".into()));
    let glance = root.store.reader("s-1").unwrap().glance().unwrap();
    assert!(!glance.damaged && glance.closed);
}

/// Goal: counts are exact for a crashed session of middling size, and a last line larger than any window hides nothing.
#[test]
fn ls_counts_a_crashed_session_of_middling_size_exactly() {
    let root = Root::new();
    let journal = root.store.journal("s-1").unwrap();
    for number in 0..60 {
        turn(&journal, &format!("t-{number}"), "Fix the build");
        journal.push(TextDelta::new(format!("t-{number}"), "x".repeat(1_000))).unwrap();
    }
    drop(journal);
    let listed = &root.run(&["ls", "--json"]).json()[0];
    assert!((32_000..256_000).contains(&listed["bytes"].as_u64().unwrap()), "{listed}");
    assert_eq!((&listed["turns"], &listed["errors"]), (&60.into(), &60.into()));
    assert_eq!((&listed["approximate"], &listed["state"]), (&false.into(), &"interrupted".into()));
    let journal = root.store.journal("s-1").unwrap();
    journal.push(TextDelta::new("t-1", "x".repeat(300_000))).unwrap();
    drop(journal);
    let listed = &root.run(&["ls", "--json"]).json()[0];
    let last = root.store.reader("s-1").unwrap().verify().unwrap().last_seq;
    assert_eq!((&listed["turns"], listed["last_seq"].as_u64()), (&60.into(), last.map(foldlog::Seq::get)));
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let root = Root::new();
    let journal = root.store.journal("s-1").unwrap();
    for _ in 0..300 {
        journal.push(TextDelta::new("t-1", "x".repeat(2_000))).unwrap();
    }
    journal.close().wait().unwrap();
    for args in [&["tail", "--json", "-n", "400"][..], &["replay", "s-1", "--speed", "0"], &["tail", "-n", "400"]] {
        let mut child = root.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdout.take().unwrap().read_exact(&mut [0; 200]).unwrap();
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn what_replay_prints_can_be_recorded_again() {
    let root = Root::new();
    root.ordinary("s-1");
    let replayed = root.dir.path().join("replayed.jsonl");
    for source in ["s-1", root.segment("s-1", 1).to_str().unwrap()] {
        let ran = root.run(&["replay", source, "--speed", "0"]);
        assert_eq!((ran.code, ran.out.lines().count()), (Some(0), 9));
        fs::write(&replayed, &ran.out).unwrap();
        let target = format!("again-{}", source.len());
        let output = root.command(&["record", &target]).stdin(fs::File::open(&replayed).unwrap()).output().unwrap();
        let ran = Ran::from(output);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        let (old, mut new) = (root.store.get("s-1").unwrap(), root.store.get(target.as_str()).unwrap());
        new.session_id = old.session_id.clone();
        assert_eq!(old.turns, new.turns);
    }
    assert_eq!(root.run(&["replay", "nope"]).code, Some(4));
    assert_eq!(root.run(&["replay", "s-1", "--speed", "-1"]).code, Some(2));
}

#[test]
fn replay_keeps_the_spacing() {
    let root = Root::new();
    let journal = root.store.journal("s-1").unwrap();
    for (number, micros) in [(1, 0), (2, 3_000_000), (3, 1_000_000)] {
        let event = TurnStarted::new(format!("t-{number}"), "Hi");
        journal.push(foldlog::Draft::from(event).time(Timestamp::from_micros(micros))).unwrap();
    }
    drop(journal);
    let began = std::time::Instant::now();
    assert_eq!(root.run(&["replay", "s-1", "--speed", "10"]).out.lines().count(), 3);
    let took = began.elapsed().as_millis();
    assert!((300..2_000).contains(&took), "{took} ms");
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = Root::new().run(&["completions", shell]);
        assert!(ran.code == Some(0) && ran.out.contains("verify"), "{shell}");
    }
}
