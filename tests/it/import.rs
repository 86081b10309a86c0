//! `foldlog import`: what other agents recorded becomes sessions. Golden files say what each format's records become; the
//! rest is about files that grow, sessions that are there already, and what is said about it all.

use crate::patience::until as wait_until;
use crate::support::{ID, reference};
use crate::transcripts::{ALL, CALUTE, CLAUDE_CODE, import, lines};
use foldlog::{Event, Item, SessionRecord, SourceFormat, Store, ToolCallStatus, TurnStatus};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

pub struct Root {
    pub dir: tempfile::TempDir,
    pub store: Store,
}

impl Root {
    pub fn new() -> Root {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("root")).unwrap();
        Root { dir, store }
    }

    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join("logs").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    pub fn command(&self, args: &[&str], paths: &[&Path]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_foldlog"));
        command.arg("--root").arg(self.store.root()).arg("import").args(args).args(paths);
        command
    }

    pub fn import(&self, args: &[&str], paths: &[&Path]) -> Ran {
        Ran::from(self.command(&[&["--json"], args].concat(), paths).output().unwrap())
    }

    /// Type, id and data of every event of a session.
    pub fn events(&self, session: &str) -> Vec<(String, Option<String>, String)> {
        let reader = self.store.reader(session).unwrap();
        let (mut items, mut events) = (reader.items().unwrap(), Vec::new());
        while let Some(item) = items.next().unwrap() {
            match item {
                Item::Entry(entry) if !entry.is_recorders_own() => {
                    events.push((entry.type_name().into(), entry.id().map(Into::into), entry.data().into()));
                }
                Item::Entry(_) => {}
                // A kill in the middle of a write leaves half a line, which the next opening cuts and accounts for.
                Item::Gap(gap) if gap.explained => {}
                other => panic!("{other:?}"),
            }
        }
        events
    }

    pub fn fold(&self, session: &str) -> SessionRecord {
        self.store.get(session).unwrap()
    }
}

#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub json: Vec<Value>,
    pub words: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        let out = String::from_utf8(output.stdout).unwrap();
        let json = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        Ran { code: output.status.code(), json, words: String::from_utf8(output.stderr).unwrap() }
    }
}

/// Goal: every format's records become what `docs/IMPORT.md` says. Method: small transcripts and the records they fold
/// into, looked at by eye once and compared ever after. `FOLDLOG_BLESS=1` writes them anew.
#[test]
fn transcripts_fold_into_their_golden_records() {
    for (name, format, file) in ALL {
        let root = Root::new();
        let path = root.file("a.jsonl", file);
        let ran = root.import(&[], &[&path]);
        let session = ran.json[0]["session_id"].as_str().unwrap();
        assert_eq!((ran.code, ran.json[0]["format"].as_str()), (Some(0), Some(format.name())), "{}", ran.words);
        let record = serde_json::to_string_pretty(&root.fold(session)).unwrap() + "\n";
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/golden/{name}.fold.json"));
        if std::env::var_os("FOLDLOG_BLESS").is_some() {
            fs::write(&golden, &record).unwrap();
        }
        assert_eq!(record, fs::read_to_string(golden).unwrap(), "{name}");
    }
}

#[test]
fn claude_code_turns_calls_usage_and_sub_agents() {
    let root = Root::new();
    root.import(&[], &[&root.file("a.jsonl", CLAUDE_CODE)]);
    let record = root.fold("c-1");
    let statuses: Vec<&TurnStatus> = record.turns.iter().map(|turn| &turn.status).collect();
    use TurnStatus::{Cancelled, Error, Success};
    assert_eq!(statuses, [&Success, &Success, &Cancelled, &Error]);
    let calls: Vec<_> =
        record.turns[0].tool_calls.iter().map(|call| (call.status.as_str(), call.duration_ms)).collect();
    assert_eq!(calls, [("error", Some(5250.0)), ("success", Some(12.0)), ("success", Some(1400.0))]);
    assert_eq!(record.turns[2].tool_calls[0].status, ToolCallStatus::Skipped);
    assert_eq!(
        record.turns[2].tool_calls[0].arguments.as_str(),
        r#"{"file_path":"Makefile","n":12345678901234567890123}"#
    );
    assert_eq!(record.turns[1].metadata["parent"].as_str(), r#"{"turn_id":"u-1","call_id":"toolu_3"}"#);
    assert_eq!(record.agent_transitions[0].to_agent, "explorer");
    let ended = root.events("c-1").into_iter().filter(|(name, ..)| name == "model_call_ended").collect::<Vec<_>>();
    let Ok(Event::ModelCallEnded(first)) = Event::decode(&ended[0].0, &ended[0].2) else { panic!("{ended:?}") };
    let usage = first.usage.unwrap();
    // Three lines of one message: the last one's usage, once.
    assert_eq!(
        (usage.output_tokens, usage.cache_read_input_tokens, first.cost_usd_micros),
        (Some(40), Some(90), Some(12_500))
    );
    assert_eq!(ended.len(), 6);
    // The first lines have no time of their own: they did not happen at the time of the import.
    let reader = root.store.reader("c-1").unwrap();
    let mut items = reader.items().unwrap();
    while let Some(Item::Entry(entry)) = items.next().unwrap() {
        let in_the_run = entry.time().to_string().starts_with("2026-03-01T10:0");
        assert!(in_the_run || entry.is_recorders_own(), "{}", entry.line());
    }
}

#[test]
fn the_report_has_exactly_these_members_and_adds_up() {
    let root = Root::new();
    let torn = [CLAUDE_CODE, b"{\"type\":\"user\",\"sess"].concat();
    let path = root.file("a.jsonl", &torn);
    let ran = root.import(&[], &[&path]);
    assert_eq!(ran.code, Some(3), "{}", ran.words);
    let report = ran.json[0].as_object().unwrap();
    let keys: Vec<&str> = report.keys().map(String::as_str).collect();
    let expected = [
        "damaged",
        "events",
        "file",
        "format",
        "kept",
        "kept_raw",
        "lines",
        "mapped",
        "notes",
        "salvaged",
        "session_id",
        "unknown",
        "v",
    ];
    assert_eq!(keys, expected);
    let number = |key: &str| report[key].as_u64().unwrap();
    assert_eq!((number("lines"), number("damaged")), (23, 1));
    assert_eq!(number("lines"), number("mapped") + number("kept_raw") + number("damaged"));
    assert_eq!(number("events"), root.events("c-1").len() as u64);
    assert_eq!(report["unknown"]["brand-new-kind"], 1);
    assert!(ran.words.contains("line 23, byte 6616: a record that was cut short"), "{}", ran.words);
    assert!(ran.words.contains("brand-new-kind (1)"), "{}", ran.words);
}

#[test]
fn a_dry_run_writes_nothing() {
    let root = Root::new();
    let ran = root.import(&["--dry-run"], &[&root.file("a.jsonl", CLAUDE_CODE)]);
    assert_eq!((ran.code, ran.json[0]["lines"].as_u64()), (Some(0), Some(22)));
    assert!(ran.json[0]["events"].as_u64() > Some(20));
    assert!(root.store.session_ids().unwrap().is_empty());
}

/// Goal: what has grown is added, and nothing twice. Method: import every prefix that ends with a line, and then the
/// whole, of each format; the events must be those of one import.
#[test]
fn a_file_that_has_grown_adds_only_what_is_new() {
    for (name, format, file) in ALL {
        let whole = import(file, format);
        let all = lines(file);
        for cut in [1, all.len() / 3, all.len() / 2, all.len() - 1] {
            let root = Root::new();
            let path = root.file("a.jsonl", &all[..cut].concat());
            root.import(&[], &[&path]);
            fs::write(&path, file).unwrap();
            let ran = root.import(&[], &[&path]);
            let session = ran.json[0]["session_id"].as_str().unwrap().to_owned();
            let events: Vec<_> = root.events(&session).into_iter().map(|(name, _, data)| (name, data)).collect();
            // The first line may not say yet when the session began; a message that was cut in two ends twice.
            let known = whole.events();
            let missing: Vec<_> = known[1..].iter().filter(|event| !events.contains(event)).collect();
            assert!(missing.is_empty(), "{name} cut behind line {cut}: {missing:?}");
            assert!(events.len() <= known.len() + 1, "{name} cut behind line {cut}: {events:?}");
            let again = root.import(&[], &[&path]);
            assert_eq!((again.code, &again.json[0]["events"]), (Some(0), &0.into()), "{name}: {}", again.words);
            assert_eq!(root.events(&session).len(), events.len());
        }
    }
}

/// Imports the first lines of a file and some bytes of the next, then all of it: nothing may be missing that one import
/// gives, in the same words.
fn grows_behind(line: usize, torn: usize, format: SourceFormat, file: &str) {
    let root = Root::new();
    let whole_lines = lines(file.as_bytes())[..line].concat().len();
    let path = root.file("a.jsonl", &file.as_bytes()[..whole_lines + torn]);
    root.import(&[], &[&path]);
    fs::write(&path, file).unwrap();
    let ran = root.import(&[], &[&path]);
    let session = ran.json[0]["session_id"].as_str().unwrap();
    let events: Vec<_> = root.events(session).into_iter().map(|(name, _, data)| (name, data)).collect();
    for wanted in import(file.as_bytes(), format).events() {
        assert!(events.contains(&wanted), "missing: {wanted:?} of {events:?}");
    }
}

#[test]
fn a_gemini_message_that_ended_with_the_file_goes_on_in_its_turn() {
    let file = r#"{"sessionId":"g-1","projectHash":"abc","startTime":"2026-06-01T07:00:00.000Z"}
{"id":"q-1","timestamp":"2026-06-01T07:00:01.000Z","type":"user","content":"What is here?"}
{"id":"r-1","timestamp":"2026-06-01T07:00:02.000Z","type":"gemini","content":"Let me look."}
{"id":"r-1","timestamp":"2026-06-01T07:00:02.000Z","type":"gemini","content":"Let me look.","toolCalls":[{"id":"k-1","name":"ls"}]}
"#;
    grows_behind(3, 0, SourceFormat::Gemini, file);
}

#[test]
fn a_sub_agent_that_starts_behind_the_end_of_the_file_names_the_turn_that_was_open() {
    let file = r#"{"type":"user","sessionId":"c-1","uuid":"u-1","message":{"content":"Look."}}
{"type":"assistant","sessionId":"c-1","uuid":"a-1","message":{"id":"m-1","content":[{"type":"text","text":"I do."}],"stop_reason":"end_turn"}}
{"type":"user","sessionId":"c-1","isSidechain":true,"uuid":"s-1","message":{"content":"Where?"}}
"#;
    grows_behind(2, 0, SourceFormat::ClaudeCode, file);
}

/// The last line makes no event before the end of the file does.
#[test]
fn a_line_that_only_ends_a_message_counts_as_growth() {
    let file = r#"{"type":"user","sessionId":"c-1","uuid":"u-1","message":{"content":"Look."}}
{"type":"assistant","sessionId":"c-1","uuid":"a-1","message":{"id":"m-1","content":[{"type":"tool_use","id":"k-1","name":"ls"}]}}
{"type":"user","sessionId":"c-1","uuid":"u-2","message":{"content":[{"type":"tool_result","tool_use_id":"k-1"}]}}
{"type":"assistant","sessionId":"c-1","uuid":"a-2","message":{"id":"m-1","content":[],"stop_reason":"end_turn"}}
"#;
    grows_behind(3, 0, SourceFormat::ClaudeCode, file);
    grows_behind(3, 1, SourceFormat::ClaudeCode, file);
}

#[test]
fn a_session_whose_file_begins_with_half_a_line_begins_once() {
    let root = Root::new();
    let path = root.file("a.jsonl", b"{");
    let import = || root.import(&["--format", "copilot"], &[&path]).json[0]["events"].as_u64();
    assert_eq!((import(), import()), (Some(3), Some(0)));
}

#[test]
fn a_torn_last_line_is_kept_once_and_read_again_when_it_is_whole() {
    let root = Root::new();
    let all = lines(CLAUDE_CODE);
    let path = root.file("a.jsonl", &[&all[..12].concat()[..], &all[12][..80]].concat());
    for _ in 0..3 {
        assert_eq!(root.import(&[], &[&path]).code, Some(3));
    }
    let unparsed = |root: &Root| root.events("c-1").iter().filter(|(name, ..)| name == "unparsed").count();
    assert_eq!(unparsed(&root), 1);
    fs::write(&path, CLAUDE_CODE).unwrap();
    assert_eq!(root.import(&[], &[&path]).code, Some(0));
    assert_eq!(unparsed(&root), 1);
    let whole = import(CLAUDE_CODE, SourceFormat::ClaudeCode);
    assert_eq!(root.events("c-1").len(), whole.drafts.len() + 1);
    assert_eq!(root.fold("c-1").turns.len(), 4);
}

#[test]
fn a_session_that_came_from_elsewhere_is_never_added_to() {
    let root = Root::new();
    let path = root.file("a.jsonl", CLAUDE_CODE);
    let journal = root.store.journal("c-1").unwrap();
    journal.push(foldlog::TurnStarted::new("t-1", "mine")).unwrap();
    journal.close().wait().unwrap();
    let ran = root.import(&[], &[&path]);
    assert_eq!((ran.code, ran.json.len()), (Some(1), 0));
    assert!(ran.words.contains("c-1 is there already"), "{}", ran.words);
    assert_eq!(root.events("c-1").len(), 1);
    // One that was recorded into since its import is left alone, too.
    let other = root.file("b.jsonl", ALL[1].2);
    assert_eq!(root.import(&[], &[&other]).code, Some(0));
    let journal = root.store.journal("x-1").unwrap();
    journal.push(foldlog::Draft::from(foldlog::TextDelta::new("t-1", "mine")).id("my-id")).unwrap();
    journal.close().wait().unwrap();
    let ran = root.import(&[], &[&other]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.words.contains("recorded into since"), "{}", ran.words);
}

#[test]
fn sub_agents_in_files_of_their_own_name_their_parent() {
    let root = Root::new();
    let all = lines(CLAUDE_CODE);
    root.file("c-1.jsonl", &all[..9].concat());
    let of_agent = String::from_utf8(all[9..11].concat()).unwrap();
    let of_agent = of_agent.replace("\"isSidechain\":true", "\"isSidechain\":true,\"agentId\":\"a7\"");
    root.file("c-1/subagents/agent-a7.jsonl", of_agent.as_bytes());
    root.file("notes.json", b"{\"a\":1}");
    let ran = root.import(&[], &[&root.dir.path().join("logs")]);
    assert_eq!((ran.code, ran.json.len()), (Some(0), 2), "{}", ran.words);
    let record = root.fold("c-1.agent-a7");
    assert_eq!(record.metadata["parent"].as_str(), r#"{"session_id":"c-1"}"#);
    assert_eq!((record.agent_id.as_deref(), record.turns[0].status.as_str()), (Some("a7"), "success"));
}

#[test]
fn what_is_not_recognised_is_said() {
    let root = Root::new();
    let (odd, empty) = (root.file("odd.jsonl", b"{\"a\":1}\n"), root.file("empty.jsonl", b""));
    let ran = root.import(&[], &[&odd, &empty]);
    assert_eq!((ran.code, ran.json.len()), (Some(1), 0));
    assert!(ran.words.contains("not recognised") && ran.words.contains("empty"), "{}", ran.words);
    let ran = root.import(&["--format", "codex"], &[&odd]);
    assert_eq!(
        (ran.code, ran.json[0]["kept_raw"].as_u64(), &ran.json[0]["session_id"]),
        (Some(0), Some(1), &"odd".into())
    );
    assert_eq!(root.import(&["--format", "word"], &[&odd]).code, Some(2));
    let packed = root.file("a.jsonl.zst", b"x");
    assert!(root.import(&[], &[&packed]).words.contains("zstd"));
}

#[test]
fn documents_come_and_go_without_loss_and_their_unknown_keys_are_named() {
    let root = Root::new();
    let path = root.file("k.json", CALUTE);
    let ran = root.import(&[], &[&path]);
    assert_eq!(ran.code, Some(0), "{}", ran.words);
    let unknown = &ran.json[0]["unknown"];
    assert_eq!(
        (&unknown["session.schema"], &unknown["turn.mood"], &unknown["tool_call.cost"]),
        (&1.into(), &1.into(), &1.into())
    );
    let given: SessionRecord = serde_json::from_slice(CALUTE).unwrap();
    let without_blanks = |record: &SessionRecord| serde_json::to_string(record).unwrap().replace([' ', '\n'], "");
    let record = root.fold("k-1");
    assert_eq!(without_blanks(&record), without_blanks(&given));
    let kept =
        root.events("k-1").iter().any(|(name, _, data)| name == "turn_recorded" && data.contains("\"mood\":\"good\""));
    assert!(kept, "unknown keys stay in the log");
    // What the fold prints is such a document again.
    let (other, printed) = (Root::new(), serde_json::to_string(&record).unwrap());
    other.import(&[], &[&other.file("k.json", printed.as_bytes())]);
    assert_eq!(other.fold("k-1"), record);
    // Rewritten with one more turn: that turn alone is new.
    assert_eq!(root.import(&[], &[&path]).json[0]["events"], 0);
    let text = String::from_utf8(CALUTE.to_vec()).unwrap();
    let more = text
        .replace("{\"turn_id\": \"t-2\"", "{\"turn_id\": \"t-3\"}, {\"turn_id\": \"t-2\"")
        .replace(":10:00.0", ":20:00.0");
    fs::write(&path, more).unwrap();
    assert_eq!(root.import(&[], &[&path]).json[0]["events"], 2); // the turn, and the time of the change
    assert_eq!(root.fold("k-1").turns.len(), 3);
    assert_eq!(root.fold("k-1").updated_at, "2026-07-01T06:20:00.000000Z");
}

#[test]
fn a_document_that_was_cut_short_gives_its_whole_turns() {
    let root = Root::new();
    let cut = memchr::memmem::find(CALUTE, b"no status").unwrap();
    let ran = root.import(&[], &[&root.file("k.json", &CALUTE[..cut])]);
    assert_eq!(
        (ran.code, ran.json[0]["salvaged"].as_u64(), ran.json[0]["damaged"].as_u64()),
        (Some(3), Some(1), Some(1))
    );
    assert_eq!(root.fold("k-1").turns.len(), 1);
    // One a line, the second of them with a turn that has no id: said where and what.
    let lines = b"{\"session_id\":\"l-1\",\"turns\":[]}\n{\"session_id\":\"l-2\",\"turns\":[{\"prompt\":\"x\"}]}\n";
    let ran = root.import(&[], &[&root.file("l.jsonl", lines)]);
    assert_eq!((ran.code, ran.json.len()), (Some(3), 2));
    assert!(ran.words.contains("line 2, byte 32: missing field `turn_id`"), "{}", ran.words);
}

#[test]
fn damaged_segments_of_foldlog_become_a_new_session() {
    let root = Root::new();
    let segment = reference(1 << 20).remove("00000001.jsonl").unwrap();
    let whole = {
        let path = root.file("s/00000001.jsonl", &segment);
        assert_eq!(root.import(&["--format", "foldlog"], &[&path]).code, Some(0));
        root.events(ID)
    };
    let root = Root::new();
    let at = memchr::memmem::find(&segment, b"plain").unwrap();
    let mut damaged = segment.clone();
    damaged[at] = b'P';
    // Glued, and torn at the end.
    let glue = damaged[..at / 2].iter().rposition(|byte| *byte == b'\n').unwrap();
    damaged.remove(glue);
    damaged.truncate(damaged.len() - 30);
    let path = root.file("s/00000001.jsonl", &damaged);
    let directory = path.parent().unwrap().to_owned();
    let ran = root.import(&[], &[&directory]);
    assert_eq!((ran.code, ran.json[0]["damaged"].as_u64()), (Some(3), Some(3)), "{ran:?}");
    let events = root.events(ID);
    let held =
        |wanted: &(String, Option<String>, String)| events.iter().any(|one| (&one.0, &one.2) == (&wanted.0, &wanted.2));
    let lost: Vec<_> = whole.iter().filter(|event| !held(event)).map(|(name, _, data)| (&**name, &**data)).collect();
    let first = ("text_delta", r#"{"turn_id":"t-1","text":"plain"}"#);
    assert!(lost.len() == 2 && lost[0] == first && lost[1].1.contains("journal_closed"), "{lost:?}");
    assert_eq!(root.import(&[], &[&directory]).json[0]["events"], 0);
    // Where the damaged session itself stands under the name, it stays as it is.
    let root = Root::new();
    fs::create_dir_all(root.store.root().join(ID)).unwrap();
    fs::write(root.store.root().join(ID).join("00000001.jsonl"), &damaged).unwrap();
    let ran = root.import(&[], &[&root.store.root().join(ID)]);
    assert_eq!(ran.json[0]["session_id"], "s-1.salvaged", "{ran:?}");
    assert_eq!(root.fold("s-1.salvaged").turns.len(), root.fold(ID).turns.len());
}

/// Goal: an import may be killed at any moment and run again. Method: kill it after a growing while, until one comes to
/// its end; the session must hold what one undisturbed import gives.
#[test]
fn an_import_that_is_killed_goes_on_where_it_was() {
    let root = Root::new();
    let mut file = Vec::new();
    for turn in 0..6000 {
        let line = |kind: &str, message: Value| {
            serde_json::json!({"type": kind, "sessionId": "k-1", "uuid": format!("{kind}-{turn}"),
                "timestamp": "2026-01-01T00:00:00Z", "message": message})
        };
        let said = serde_json::json!({"id": format!("m-{turn}"), "content": [{"type": "text", "text": "x".repeat(200)}],
            "stop_reason": "end_turn", "usage": {"output_tokens": 1}});
        writeln!(file, "{}", line("user", serde_json::json!({"content": format!("prompt {turn}")}))).unwrap();
        writeln!(file, "{}", line("assistant", said)).unwrap();
    }
    let path = root.file("a.jsonl", &file);
    let mut kills = 0;
    for pause in 0.. {
        let mut child =
            root.command(&["--json"], &[&path]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20 + 15 * pause));
        if child.try_wait().unwrap().is_some_and(|status| status.success()) {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    println!("killed {kills} times");
    let events: Vec<_> = root.events("k-1").into_iter().map(|(name, _, data)| (name, data)).collect();
    let expected = import(&file, SourceFormat::ClaudeCode).events();
    assert_eq!(events.len(), expected.len());
    assert!(events == expected, "the same events in another order");
}

struct Following(Child);

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

/// Goal: a live mirror takes every line once, a half-written one only when it is whole, and ends cleanly.
#[test]
fn following_mirrors_a_file_while_it_is_written() {
    let root = Root::new();
    let all = lines(CLAUDE_CODE);
    let path = root.file("a.jsonl", &all[..3].concat());
    let mut command = root.command(&["--follow", "--json"], &[&root.dir.path().join("logs")]);
    let mut following = Following(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let turns = |session: &str| root.store.get(session).map_or(0, |record| record.turns.len());
    wait_until("the first turn", || turns("c-1") == 1);
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    for line in &all[3..15] {
        file.write_all(line).unwrap();
    }
    file.write_all(&all[15][..100]).unwrap();
    wait_until("the sub-agent's turn", || turns("c-1") == 2);
    std::thread::sleep(std::time::Duration::from_millis(600));
    assert_eq!(turns("c-1"), 2, "half a line is none");
    file.write_all(&all[15][100..]).unwrap();
    file.write_all(&all[16..].concat()).unwrap();
    wait_until("the last turn", || turns("c-1") == 4);
    root.file("later.jsonl", ALL[3].2);
    wait_until("a file that came later", || turns("g-1") == 2);
    let pid = Pid::from_raw(following.0.id() as i32).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert!(following.0.wait().unwrap().success());
    for (session, format, file) in
        [("c-1", SourceFormat::ClaudeCode, CLAUDE_CODE), ("g-1", SourceFormat::Gemini, ALL[3].2)]
    {
        let events: Vec<_> = root.events(session).into_iter().map(|(name, _, data)| (name, data)).collect();
        assert_eq!(events, import(file, format).events(), "{session}");
        let reader = root.store.reader(session).unwrap();
        assert!(reader.verify().unwrap().clean);
    }
}
