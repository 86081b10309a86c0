//! `foldlog record` as its clients see it: the pipe protocol, many sessions, and being killed.

use crate::recorder::{FOLDLOG, Recorder, note, reader, recorded, turn_started};
use foldlog::SessionRecord;
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Goal: bad input gets a clear error with its line number, the rest is recorded, the input is kept.
/// Method: one line of each bad kind between good ones.
#[test]
fn bad_lines_are_kept_and_answered_and_the_rest_is_recorded() {
    let root = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::start(root.path(), &["s", "--ack"]);
    let deep =
        format!(r#"{{"type":"custom","data":{{"name":"d","value":{}{}}}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let huge = vec![b'x'; foldlog::MAX_LINE + 1];
    let lines: [(&[u8], &str); 12] = [
        (br#"{"type":"turn_started","data":{"turn_id":"t-1","prompt":"hi"}}"#, ""),
        (b"not json", "not a JSON object"),
        (b"", "empty"),
        (br#"{"data":{}}"#, "no `type`"),
        (br#"{"type":"turn_ended","data":{"x":1}}"#, "missing field `turn_id`"),
        (b"{\"type\":\"text_delta\",\"data\":{\"turn_id\":\"t-1\",\"text\":\"\xff\"}}", "not UTF-8"),
        (br#"{"type":"text_delta","data":{"turn_id":"t-1","text":"\ud83d"}}"#, "hex escape"),
        (deep.as_bytes(), "nested deeper than 120"),
        (&huge, "at most 67108864"),
        (b"{\"type\":\"text_delta\",\"data\":{\"turn_id\":\"t-1\",\"text\":\"with CRLF\"}}\r", ""),
        (br#"{"type":"journal_closed","data":{}}"#, "the recorder alone"),
        (br#"{"type":"session_started","data":{"session_id":"other"}}"#, "\"other\""),
    ];
    for (line, _) in &lines {
        assert!(recorder.send(line));
    }
    // No line break behind the last one: it is a line all the same.
    recorder.stdin.as_mut().unwrap().write_all(br#"{"type":"turn_ended","data":{"turn_id":"t-1"}}"#).unwrap();
    let (status, replies, words) = recorder.end();

    assert_eq!(status.code(), Some(1), "{words}");
    for (number, (_, error)) in lines.iter().enumerate().filter(|(_, (_, error))| !error.is_empty()) {
        let reply = replies.iter().find(|reply| reply["line"] == number + 1 && reply["error"].is_string());
        let reply = reply.unwrap_or_else(|| panic!("line {} has no reply of its own in {replies:?}", number + 1));
        assert!(reply["error"].as_str().unwrap().contains(error), "{reply}");
        assert_eq!(reply["seq"].is_u64(), number != 8, "only what is too large to be kept has no number: {reply}");
        assert!(words.contains(&format!("line {}: ", number + 1)), "{words}");
    }
    assert_eq!(replies.last().unwrap()["line"], 13);
    let entries = recorded(root.path(), "s");
    let kept: Vec<&Value> = entries.iter().filter(|(name, _)| name == "unparsed").map(|(_, data)| data).collect();
    assert_eq!(kept.len(), 9);
    assert_eq!(kept[0]["text"], "not json");
    assert_eq!(kept[3]["text"], r#"{"type":"turn_ended","data":{"x":1}}"#);
    assert!(kept[4]["text_base64"].is_string() && kept[4]["text"].is_null());
    assert_eq!(kept[6]["text"].as_str().unwrap().len(), deep.len());
    assert_eq!(entries.iter().filter(|(name, _)| name == "text_delta").count(), 1);
    assert_eq!(reader(root.path(), "s").fold().unwrap().turns[0].response_content.as_deref(), Some("with CRLF"));
}

/// Goal: `--strict` stops at a line that is no event, and at a type that is not known; what came before is safe.
#[test]
fn strict_stops_at_the_first_line_it_does_not_understand() {
    for bad in [&b"nonsense"[..], br#"{"type":"turn_startd","data":{}}"#] {
        let root = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::start(root.path(), &["s", "--ack", "--strict"]);
        recorder.event(&turn_started("t-1"));
        recorder.send(bad);
        recorder.event(&turn_started("t-2"));
        let (status, _, words) = recorder.end();
        assert_eq!(status.code(), Some(1), "{words}");
        assert!(words.contains("line 2"), "{words}");
        let names: Vec<String> = recorded(root.path(), "s").into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["session_started", "turn_started", "journal_closed"]);
    }
}

/// Goal: an unknown type is recorded as it is and named once, with what it may have meant.
#[test]
fn an_unknown_type_is_recorded_and_named_once() {
    let root = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::start(root.path(), &["s"]);
    for _ in 0..3 {
        recorder.send(br#"{"type":"turn_startd","data":{"n":1e400}}"#);
    }
    recorder.send(br#"{"type":"acme.map_shown","data":{}}"#);
    let (status, replies, words) = recorder.end();
    assert_eq!((status.code(), replies.len()), (Some(0), 0), "without --ack, stdout stays empty");
    assert_eq!(words.matches("did you mean `turn_started`").count(), 1, "{words}");
    assert!(!words.contains("acme"), "{words}");
    assert_eq!(recorded(root.path(), "s").len(), 6);
}

/// Goal: the ready line tells what is there; a client goes on behind `last_id`; what was open is named.
/// Method: kill a recorder in the middle of a turn with two calls, start it again.
#[test]
fn a_restart_is_told_what_was_open_and_where_to_go_on() {
    let root = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::start(root.path(), &["s", "--ack", "--workspace", "w", "--agent", "a"]);
    assert_eq!(recorder.ready()["last_seq"], 0);
    recorder.event(&turn_started("t-1"));
    for call in ["c-1", "c-2"] {
        let data = json!({"turn_id": "t-1", "call_id": call, "tool_name": "bash"});
        recorder.event(&json!({"type": "tool_call_started", "id": format!("id-{call}"), "data": data}));
    }
    assert_eq!(recorder.ack(3)["seq"], 4, "session_started comes first by itself");
    kill_process(recorder.pid(), Signal::KILL).unwrap();
    recorder.end();

    let mut recorder = Recorder::start(root.path(), &["s", "--ack"]);
    let ready = recorder.ready();
    assert_eq!((&ready["last_seq"], &ready["last_id"], &ready["epoch"]), (&json!(4), &json!("id-c-2"), &json!(2)));
    assert_eq!(ready["epoch_id"].as_str().map(str::len), Some(32), "{ready}");
    let calls = json!([
        {"call_id": "c-1", "tool_name": "bash", "seq": 3},
        {"call_id": "c-2", "tool_name": "bash", "seq": 4}
    ]);
    assert_eq!(ready["open"], json!([{"turn_id": "t-1", "seq": 2, "calls": calls}]));
    recorder.event(&json!({"type": "turn_ended", "data": {"turn_id": "t-1", "error": "gave up"}}));
    let (status, _, words) = recorder.end();
    assert_eq!(status.code(), Some(0));
    assert!(words.contains("left open: turn t-1 (seq 2), running bash c-1 (seq 3), bash c-2 (seq 4)"), "{words}");
    let session = reader(root.path(), "s").fold().unwrap();
    assert_eq!(session.workspace_id.unwrap().as_str(), "w");
    assert_eq!(session.turns[0].status.as_str(), "error");
}

/// Goal: foldlog's own lines are input too: numbers and checksums are ignored, the recorder's own entries count as lines
/// and are not recorded, the session takes this journal's id, and the fold is the same.
#[test]
fn a_journal_can_be_recorded_again() {
    let root = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::start(root.path(), &["first"]);
    recorder.event(&turn_started("t-1"));
    recorder.event(&json!({"type": "text_delta", "data": {"turn_id": "t-1", "text": "hello"}}));
    recorder.end();
    let bytes = std::fs::read(root.path().join("first/00000001.jsonl")).unwrap();
    let mut recorder = Recorder::start(root.path(), &["second", "--ack"]);
    recorder.stdin.as_mut().unwrap().write_all(&bytes).unwrap();
    let (status, replies, words) = recorder.end();
    assert_eq!(status.code(), Some(0), "{words}");
    assert_eq!(replies.last().unwrap()["line"], 5, "header and journal_closed count as lines");
    let (first, mut second) =
        (reader(root.path(), "first").fold().unwrap(), reader(root.path(), "second").fold().unwrap());
    assert_eq!(second.session_id.as_str(), "second");
    second.session_id = first.session_id.clone();
    assert_eq!(first, second);
}

/// Goal: what a killed recorder has filled ahead is no damage to anybody, and the next one goes on.
#[test]
fn a_recorder_that_fills_ahead_may_be_killed() {
    let root = tempfile::tempdir().unwrap();
    let file = |segment: u64| root.path().join(format!("s-1/{segment:08}.jsonl"));
    let mut recorder = Recorder::start(root.path(), &["s-1", "--ack", "--prefill", "4096"]);
    (1..=3).for_each(|number| assert!(recorder.event(&note(number))));
    recorder.ack(3);
    kill_process(recorder.pid(), Signal::KILL).unwrap();
    recorder.end();
    let killed = std::fs::read(file(1)).unwrap();
    assert!(killed.ends_with(&[b'\n'; 1000]));
    assert!(reader(root.path(), "s-1").verify().unwrap().clean);
    let mut recorder = Recorder::start(root.path(), &["s-1", "--ack"]);
    recorder.event(&note(4));
    let (status, replies, words) = recorder.end();
    assert_eq!((status.code(), &replies[0]["last_id"]), (Some(0), &json!("n-3")), "{words}");
    assert_eq!(std::fs::read(file(1)).unwrap(), [killed.trim_ascii_end(), b"\n"].concat());
    assert!(!std::fs::read(file(2)).unwrap().ends_with(b"\n\n"));
    let notes = recorded(root.path(), "s-1").into_iter().filter(|(name, _)| name == "custom").count();
    assert_eq!(notes, 4);
}

/// Goal: many sessions through one pipe; a line whose session is missing, refused or locked is answered, the rest goes on.
#[test]
fn many_sessions_share_one_pipe() {
    let root = tempfile::tempdir().unwrap();
    let mut holder = Recorder::start(root.path(), &["held", "--ack"]);
    holder.event(&note(1));
    holder.ack(1);
    let mut recorder = Recorder::start(root.path(), &["--sessions", "--ack"]);
    let mut with = |session: Option<&str>| {
        let mut event = turn_started("t-1");
        if let Some(session) = session {
            event["session"] = json!(session);
        }
        recorder.event(&event)
    };
    for session in [Some("a"), Some("../b"), None, Some("held"), Some(""), Some("a")] {
        assert!(with(session));
    }
    let (status, replies, words) = recorder.end();
    assert_eq!(status.code(), Some(5), "{words}");
    assert!(
        words.contains(
            "recorded 3 events in 2 sessions, all synced; 2 lines were not events; 1 line could not be recorded"
        ),
        "{words}"
    );
    let of = |line: u64, member: &str| {
        let reply = replies.iter().find(|reply| reply["line"] == line).unwrap_or(&Value::Null);
        reply[member].as_str().map(str::to_owned)
    };
    assert!(of(3, "error").unwrap().contains("no `session`"));
    assert!(of(4, "error").unwrap().contains(&holder.child.id().to_string()), "{replies:?}");
    assert!(of(5, "error").unwrap().contains("empty"));
    let ready = replies.iter().filter(|reply| reply["ready"] == true).count();
    assert_eq!(ready, 2, "a ready line each, at its first input line");
    assert!(replies.iter().any(|reply| reply["session"] == "a" && reply["line"] == 6 && reply["seq"] == 3));
    assert_eq!(recorded(root.path(), "../b").len(), 3);
    assert!(root.path().join("%2E.%2Fb").is_dir() && !root.path().join("../b").exists());
    assert_eq!(holder.end().0.code(), Some(0));
}

/// Goal: more sessions than files may be open are recorded all the same, each with one ready line and every line acknowledged;
/// turns that were open when their session was closed go on. Method: few files, and sessions in turns.
#[test]
fn the_longest_idle_sessions_make_room_for_others() {
    let root = tempfile::tempdir().unwrap();
    let limited = ["sh", "-c", "ulimit -n 160; exec \"$@\"", "sh"];
    let mut recorder = Recorder::start_under(&limited, root.path(), &["--sessions", "--ack"]);
    let sessions: Vec<String> = (0..60).map(|number| format!("s-{number}")).collect();
    let mut lines = 0;
    for round in 0..3 {
        for session in &sessions {
            let mut event = match round {
                0 => turn_started("t-1"),
                1 => json!({"type": "text_delta", "data": {"turn_id": "t-1", "text": "x"}}),
                _ => json!({"type": "turn_ended", "data": {"turn_id": "t-1"}, "id": "end"}),
            };
            event["session"] = json!(session);
            assert!(recorder.event(&event));
            lines += 1;
        }
    }
    recorder.event(&json!({"lookup": "end", "session": "s-0"}));
    let (status, replies, words) = recorder.end();
    assert_eq!(status.code(), Some(0), "{words}");
    assert!(words.contains("recorded 180 events in 60 sessions"), "{words}");
    for session in &sessions {
        let of = |member: &str| {
            replies.iter().filter(|reply| reply["session"] == **session && !reply[member].is_null()).count()
        };
        assert_eq!((of("ready"), of("error")), (1, 0), "{session}");
        let last = replies
            .iter()
            .filter(|reply| reply["session"] == **session)
            .filter_map(|reply| reply["line"].as_u64())
            .max();
        assert!(last > Some(lines - 60), "{session}: {last:?}");
        let turns = reader(root.path(), session).fold().unwrap().turns;
        assert_eq!((turns.len(), turns[0].status.as_str()), (1, "success"));
        assert_eq!(turns[0].response_content.as_deref(), Some("x"));
        let entries = recorded(root.path(), session);
        assert!(entries.iter().any(|(name, data)| name == "journal_closed" && data["reason"] == "idle"), "{session}");
    }
    assert!(replies.iter().any(|reply| reply["lookup"] == "end" && reply["found"].is_u64()), "{:?}", replies.last());
}

/// Goal: one writer. The second gets exit code 5 and the first one's pid, and nothing is disturbed.
#[test]
fn a_second_recorder_gets_exit_5_and_the_pid_of_the_first() {
    let root = tempfile::tempdir().unwrap();
    let mut first = Recorder::start(root.path(), &["s", "--ack"]);
    first.event(&note(1));
    first.ack(1);
    let (status, _, words) = Recorder::start(root.path(), &["s", "--ack"]).end();
    assert_eq!(status.code(), Some(5), "{words}");
    assert!(words.contains(&format!("pid {}", first.child.id())), "{words}");
    first.event(&note(2));
    assert_eq!(first.end().0.code(), Some(0));
    assert_eq!(recorded(root.path(), "s").len(), 4);
}

/// Goal: a client that never reads its replies never hangs the recorder.
/// Method: far more replies than a pipe holds, and nobody at its other end.
#[test]
fn a_client_that_never_reads_its_replies_does_not_hang_the_recorder() {
    let root = tempfile::tempdir().unwrap();
    let mut command = Command::new(FOLDLOG);
    command.arg("--root").arg(root.path()).args(["record", "s", "--ack", "--durability", "written"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for number in 0..5_000 {
        // A bad line each time: those replies are never left out.
        stdin.write_all(format!("bad line {number}\n").as_bytes()).unwrap();
    }
    drop(stdin);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
    drop((stdout, stderr));
    assert_eq!(recorded(root.path(), "s").len(), 5_002);
}

/// Goal: nothing acknowledged is missing after `kill -9`, at both levels, and a client that goes on behind `last_id` ends
/// with the session that an undisturbed one records.
/// Method: 20 rounds a level, each killed at a moment of its own, then one to the end.
#[test]
fn killed_and_resumed_the_fold_is_the_same() {
    let events = example_events();
    let whole = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::start(whole.path(), &["demo"]);
    events.iter().for_each(|event| assert!(recorder.event(event)));
    assert_eq!(recorder.end().0.code(), Some(0));
    let wanted: SessionRecord = reader(whole.path(), "demo").fold().unwrap();

    let (mut rounds, mut acknowledged) = (0, 0);
    for level in ["synced", "written"] {
        let root = tempfile::tempdir().unwrap();
        let mut safe = 0;
        for round in 0..=20 {
            let mut recorder = Recorder::start(root.path(), &["demo", "--ack", "--durability", level]);
            let ready = recorder.ready();
            let there = ready["last_id"].as_str().map_or(0, |id| id[2..].parse::<usize>().unwrap() + 1);
            assert!(there >= safe, "{level}: {safe} were acknowledged, {there} are there");
            if round == 20 {
                events[there..].iter().for_each(|event| assert!(recorder.event(event)));
                assert_eq!(recorder.end().0.code(), Some(0));
                break;
            }
            // The last one is left for the round that closes: an opening that appends nothing writes nothing.
            let some = (there + 1 + round % 7).min(events.len() - 1);
            events[there..some].iter().for_each(|event| assert!(recorder.event(event)));
            std::thread::sleep(Duration::from_micros(137 * (round as u64 % 11)));
            kill_process(recorder.pid(), Signal::KILL).unwrap();
            let (_, replies, _) = recorder.end();
            let lines = replies.iter().filter(|reply| reply["seq"].is_u64()).filter_map(|reply| reply["line"].as_u64());
            if let Some(line) = lines.max() {
                safe = there + line as usize;
                acknowledged += line;
            }
            rounds += 1;
        }
        let reader = reader(root.path(), "demo");
        assert!(reader.verify().unwrap().clean);
        assert_eq!(reader.fold().unwrap(), wanted, "{level}");
    }
    println!("{rounds} kills, {acknowledged} events acknowledged before them, 0 missing");
}

/// The example run, each event with an id of its own and a time, so that only the recording differs.
fn example_events() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples/coding-session.events.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    let events = text.lines().enumerate().map(|(number, line)| {
        let mut event: Value = serde_json::from_str(line).unwrap();
        event["id"] = json!(format!("e-{number}"));
        event["time"] = json!(format!("2026-11-22T18:45:{:02}.000000Z", number % 60));
        event
    });
    events.collect()
}
