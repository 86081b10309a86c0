//! What events mean, in every view: status words, what users say in between, approvals, compacted contexts.

use foldlog::{Draft, Event, ExportOptions, Format, Store};
use serde_json::Value;
use std::process::{Command, Stdio};

struct Session {
    dir: tempfile::TempDir,
    store: Store,
}

impl Session {
    /// A session `s` with these events, one a line: `type {data}`.
    fn new(events: &str) -> Session {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let journal = store.journal("s").unwrap();
        for line in events.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (type_name, data) = line.split_once(' ').unwrap();
            journal.push(Draft::from_json(type_name, data).unwrap()).unwrap();
        }
        journal.close().wait().unwrap();
        Session { dir, store }
    }

    fn run(&self, args: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_foldlog"));
        command.arg("--root").arg(self.dir.path()).args(args);
        command.env("TZ", "UTC").env_remove("COLUMNS").stdin(Stdio::null());
        let output = command.output().unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, args: &[&str]) -> Vec<Value> {
        self.run(args).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn export(&self, format: &str, options: ExportOptions) -> String {
        let mut out = Vec::new();
        self.store.reader("s").unwrap().export(Format::named(format).unwrap(), &options, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }
}

/// One turn whose tool call, model call and end have this status and error.
fn with_status(status: &str, error: &str) -> Session {
    Session::new(&format!(
        r#"
        turn_started {{"turn_id":"t","prompt":"Go"}}
        model_call_started {{"turn_id":"t","model_call_id":"m","model":"x"}}
        model_call_ended {{"turn_id":"t","model_call_id":"m",{status}{error}}}
        tool_call_started {{"turn_id":"t","call_id":"c","tool_name":"bash"}}
        tool_call_ended {{"turn_id":"t","call_id":"c",{status}{error}}}
        turn_ended {{"turn_id":"t",{status}{error}}}
        "#
    ))
}

/// What `stats` counts, as failures and as unknown: of turns, tool calls and model calls.
fn counted(session: &Session) -> [(u64, u64); 3] {
    let stats = &session.json(&["stats", "s", "--json"])[0];
    let of =
        |counts: &Value, failed: &str| (counts[failed].as_u64().unwrap(), counts["unknown_status"].as_u64().unwrap());
    let [tool, model] =
        ["tool_calls", "model_calls"].map(|calls| stats[calls].as_object().unwrap().values().next().unwrap());
    [of(&stats["turns"], "failed"), of(tool, "errors"), of(model, "errors")]
}

/// Goal: a failure is one in every count and view, however it is spelled. Method: all spellings through the program.
#[test]
fn a_failure_is_counted_and_drawn_as_one_whatever_its_status_says() {
    for (status, error) in [
        (r#""status":"failed""#, ""),
        (r#""status":"fail""#, r#","error":null"#),
        (r#""status":"failed""#, r#","error":"boom""#),
        (r#""status":"success""#, r#","error":"boom""#),
        (r#""status":"hopeless""#, r#","error":"boom""#),
        (r#""status":null"#, r#","error":"boom""#),
    ] {
        let session = with_status(status, error);
        assert_eq!(counted(&session), [(1, 0); 3], "{status}{error}");
        let listed = &session.json(&["ls", "--json"])[0];
        assert_eq!(listed["errors"], 2, "{status}{error}");
        let show = session.run(&["show", "s"]);
        assert!(show.contains("✗ turn t") && show.contains("✗ bash") && show.contains("✗ x"), "{show}");
        assert!(show.lines().nth(1).unwrap().contains("last error at seq 6 in turn t"), "{show}");
        assert_eq!(session.run(&["tail", "s"]).matches('✗').count(), 3, "{status}{error}");
        assert!(!session.run(&["show", "s", "--failed"]).is_empty());
        let otlp = session.export("otlp", ExportOptions::default());
        assert_eq!(otlp.matches(r#""code":2"#).count(), 3, "{otlp}");
        let html = session.export("html", ExportOptions::default());
        assert!(html.contains(r#"<small class="bad">error</small>"#) && !html.contains('✓'), "{html}");
    }
}

#[test]
fn a_success_is_one_under_every_name_and_an_empty_error_is_none() {
    for (status, error) in [(r#""status":"ok""#, ""), (r#""status":"done""#, r#","error":"""#), (r#""error":"""#, "")] {
        let session = with_status(status, error);
        assert_eq!(counted(&session), [(0, 0); 3], "{status}{error}");
        let show = session.run(&["show", "s"]);
        assert!(show.contains("✓ turn t") && show.contains("✓ bash") && !show.contains("last error"), "{show}");
        assert!(!session.run(&["tail", "s"]).contains('✗'));
    }
    let kept = with_status(r#""status":"ok""#, "");
    let record = kept.store.get("s").unwrap();
    assert_eq!((record.turns[0].status.as_str(), record.turns[0].tool_calls[0].status.as_str()), ("ok", "ok"));
}

#[test]
fn an_unknown_status_is_neither_and_is_drawn_with_a_question_mark() {
    let session = with_status(r#""status":"sucess""#, "");
    assert_eq!(counted(&session), [(0, 1); 3]);
    let stats = session.run(&["stats", "s"]);
    assert!(stats.contains("1 turn: 1 with an unknown status"), "{stats}");
    assert!(stats.contains("unknown status: 1 turn, 1 tool call, 1 model call"), "{stats}");
    let show = session.run(&["show", "s"]);
    assert!(show.contains("? turn t") && show.contains("? bash") && show.contains("? x"), "{show}");
    assert!(show.contains("nothing left open") && !show.contains("last error"), "{show}");
    assert_eq!(session.run(&["tail", "s"]).matches(" ? ").count(), 3);
    let markdown = session.export("markdown", ExportOptions::default());
    assert!(markdown.contains("<summary>? <code>bash</code>") && markdown.contains("sucess?</summary>"), "{markdown}");
    assert!(session.export("html", ExportOptions::default()).contains(">sucess?</small>"));
}

#[test]
fn a_recorder_can_learn_which_statuses_are_unknown() {
    let unknown = |type_name: &str, data: &str| {
        let event = Event::decode(type_name, data).unwrap();
        event.unknown_statuses().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let turn =
        r#"{"turn_id":"t","status":"finished","tool_calls":[{"call_id":"c","tool_name":"x","status":"timout"}]}"#;
    assert_eq!(
        unknown("turn_recorded", turn),
        [
            "unknown status `finished` of a turn: expected one of success, error, cancelled, running, interrupted",
            "unknown status `timout` of a tool call: did you mean `timeout`?",
        ]
    );
    let call = r#"{"turn_id":"t","model_call_id":"m","status":"Error"}"#;
    assert_eq!(unknown("model_call_ended", call), ["unknown status `Error` of a model call: did you mean `error`?"]);
    for data in [r#""status":"timed_out""#, r#""status":"finished","error":"x""#, r#""status":null"#] {
        assert!(unknown("tool_call_ended", &format!(r#"{{"turn_id":"t","call_id":"c",{data}}}"#)).is_empty(), "{data}");
    }
}

const SPOKEN: &str = r#"
    turn_started {"turn_id":"t","prompt":"Sort the list"}
    text_delta {"turn_id":"t","text":"Sorting."}
    user_message {"turn_id":"t","text":"Descending, please","attachments":[{"name":"list.txt"}],"metadata":{"k":1}}
    approval_requested {"approval_id":"p","turn_id":"t","kind":"command","message":"Run sort -r?","choices":["yes","no"]}
    approval_resolved {"approval_id":"p","outcome":"approved","by":"me"}
    context_compacted {"turn_id":"t","summary":"A list was sorted","tokens_before":900,"tokens_after":90}
    turn_ended {"turn_id":"t","status":"success"}
"#;

/// Goal: what a user said in between, and what had to be approved, is in every view. Method: each view of one session.
#[test]
fn what_users_say_and_approve_is_in_every_view() {
    let session = Session::new(SPOKEN);
    let content = ExportOptions::default().content(true);
    for format in ["markdown", "html", "jsonl", "calute", "otlp", "atif", "chrome"] {
        let text = session.export(format, content.clone());
        assert_eq!(text.matches("Descending, please").count(), 1, "{format}: {text}");
        if format != "calute" {
            assert!(text.contains("Run sort -r?") && text.contains("A list was sorted"), "{format}: {text}");
        }
    }
    for format in ["otlp", "chrome"] {
        let text = session.export(format, ExportOptions::default());
        for word in ["Descending", "sort -r", "was sorted"] {
            assert!(!text.contains(word), "{format} has {word} without being asked for content");
        }
        assert!(text.contains("approved") && text.contains("user_message"), "{format}: {text}");
    }
    let atif: Value = serde_json::from_str(&session.export("atif", content.clone())).unwrap();
    let sources: Vec<&str> =
        atif["steps"].as_array().unwrap().iter().map(|step| step["source"].as_str().unwrap()).collect();
    assert_eq!(sources, ["user", "agent", "user", "system", "system"]);
    let otlp: Value = serde_json::from_str(&session.export("otlp", content)).unwrap();
    let turn = &otlp["resourceSpans"][0]["scopeSpans"][0]["spans"][1];
    let input =
        turn["attributes"].as_array().unwrap().iter().find(|one| one["key"] == "gen_ai.input.messages").unwrap();
    let input: Value = serde_json::from_str(input["value"]["stringValue"].as_str().unwrap()).unwrap();
    assert_eq!(input[1]["parts"][0]["content"], "Descending, please");
    let show = session.run(&["show", "s"]);
    assert!(show.contains("    > Descending, please\n"), "{show}");
    assert!(
        show.contains("☑ command: Run sort -r?") && show.contains("≡ context compacted from 900 to 90 tokens"),
        "{show}"
    );
    let tail = session.run(&["tail", "s"]);
    assert!(
        tail.contains("> user: Descending, please") && tail.contains("☐ approval p requested: Run sort -r?"),
        "{tail}"
    );
    assert!(tail.contains("☑ approval p: approved by me"), "{tail}");
}

#[test]
fn what_a_user_said_is_in_the_metadata_of_the_turn() {
    let session = Session::new(SPOKEN);
    let record = session.store.get("s").unwrap();
    let said: Value = record.turns[0].metadata["foldlog.user_messages"].decode().unwrap();
    let time = said[0]["time"].clone();
    assert!(time.as_str().unwrap().ends_with('Z'));
    let expected = serde_json::json!([{
        "seq": 3, "time": time, "text": "Descending, please", "attachments": [{"name": "list.txt"}], "metadata": {"k": 1}
    }]);
    assert_eq!(said, expected);
}

#[test]
fn an_approval_that_nobody_gave_is_named_with_its_turn() {
    let open = Session::new(
        r#"
        turn_started {"turn_id":"t"}
        approval_requested {"approval_id":"p-1","turn_id":"t","message":"Delete it?"}
        approval_requested {"approval_id":"p-2","turn_id":"t"}
        approval_resolved {"approval_id":"p-2","outcome":"denied"}
        approval_requested {"approval_id":"p-3"}
        "#,
    );
    let show = open.run(&["show", "s"]);
    assert_eq!(show.lines().nth(2), Some("left open: turn t, waiting for approval p-1 (Delete it?)"));
    assert!(show.contains("☐ Delete it?  pending") && show.contains("☒"), "{show}");
    let verdict = &open.json(&["show", "s", "--json"])[0];
    assert_eq!(verdict["open"][0]["approvals"][0]["approval_id"], "p-1");
}

#[test]
fn an_outcome_goes_with_the_turn_of_its_question() {
    let session = Session::new(
        r#"
        turn_started {"turn_id":"t"}
        approval_requested {"approval_id":"p","turn_id":"t","message":"Delete it?"}
        turn_started {"turn_id":"u"}
        approval_resolved {"approval_id":"p","outcome":"denied"}
        "#,
    );
    let part = |turns: &str| session.export("markdown", ExportOptions::default().turns(turns.parse().ok()));
    assert!(part("1").contains("Approval: Delete it?: denied"), "{}", part("1"));
    assert!(!part("2").contains("Approval"), "{}", part("2"));
}

/// Goal: what agents do side by side is written under the agent that did it. Method: two turns whose texts alternate.
#[test]
fn turns_that_alternate_are_named_whenever_they_change() {
    let session = Session::new(
        r#"
        turn_started {"turn_id":"main","prompt":"Look both ways"}
        turn_started {"turn_id":"left","agent_id":"scout-l"}
        turn_started {"turn_id":"right","agent_id":"scout-r"}
        text_delta {"turn_id":"left","text":"Nothing left."}
        text_delta {"turn_id":"right","text":"Nothing right."}
        tool_call_recorded {"turn_id":"right","call_id":"c","tool_name":"look"}
        text_delta {"turn_id":"main","text":"Go."}
        "#,
    );
    let show = session.run(&["show", "s"]);
    let body: Vec<&str> = show.lines().skip(3).filter(|line| !line.is_empty() && !line.starts_with('⊘')).collect();
    let expected = [
        "  > Look both ways",
        "▷ turn left · scout-l goes on",
        "    Nothing left.",
        "▷ turn right · scout-r goes on",
        "    Nothing right.",
        "    ✓ look",
        "▷ turn main goes on",
        "    Go.",
        "· journal closed",
    ];
    assert_eq!(body, expected);
}

/// Goal: why something failed can be read. Method: a trace of many lines, of a tool, of a model call and of a retry.
#[test]
fn the_reason_of_a_failure_is_there_in_a_line_and_in_full() {
    let session = Session::new(
        r#"
        turn_started {"turn_id":"t"}
        tool_call_started {"turn_id":"t","call_id":"c","tool_name":"run it"}
        tool_call_ended {"turn_id":"t","call_id":"c","error":"Traceback\n  in first.py\nFirstError: no\n"}
        tool_call_started {"turn_id":"t","call_id":"c","tool_name":"run it"}
        tool_call_ended {"turn_id":"t","call_id":"c","error":"Traceback\n  in second.py\nSecondError: no"}
        model_call_ended {"turn_id":"t","model_call_id":"m","error":"HTTP 529\noverloaded"}
        turn_ended {"turn_id":"t"}
        "#,
    );
    let show = session.run(&["show", "s"]);
    assert!(show.lines().nth(1).unwrap().ends_with("last error at seq 6 in model call m: overloaded"), "{show}");
    for line in ["      FirstError: no", "      SecondError: no", "      overloaded"] {
        assert!(show.lines().any(|shown| shown == line), "{line}: {show}");
    }
    assert!(!show.contains("Traceback"));
    for args in [&["show", "s", "--failed"][..], &["show", "s", "--turn", "t"]] {
        let whole = session.run(args);
        for line in ["Traceback", "in first.py", "in second.py", "HTTP 529", "overloaded"] {
            assert!(whole.contains(line), "{args:?} {line}: {whole}");
        }
    }
    let markdown = session.export("markdown", ExportOptions::default());
    assert_eq!(markdown.matches("<code>run it</code>").count(), 2, "{markdown}");
    let otlp = session.export("otlp", ExportOptions::default());
    assert_eq!(otlp.matches("execute_tool run it").count(), 2, "a name with a blank is whole in the try that failed");
}

/// Goal: no part of the tokens is larger than the whole. Method: a call as the format says, and one of a recorder that
/// leaves the cached tokens out.
#[test]
fn input_counts_the_cached_tokens_too() {
    for (usage, input) in [
        (r#"{"input_tokens":100,"cache_read_input_tokens":80,"cache_write_input_tokens":10}"#, 100),
        (r#"{"input_tokens":10,"cache_read_input_tokens":80,"cache_write_input_tokens":10}"#, 90),
        (r#"{"cache_read_input_tokens":80}"#, 80),
    ] {
        let data = format!(r#"{{"turn_id":"t","model_call_id":"m","usage":{usage}}}"#);
        let session = Session::new(&format!("turn_started {{\"turn_id\":\"t\"}}\nmodel_call_ended {data}"));
        let atif: Value = serde_json::from_str(&session.export("atif", ExportOptions::default())).unwrap();
        assert_eq!(atif["final_metrics"]["total_prompt_tokens"], input, "{usage}");
        let metrics = atif["steps"].as_array().unwrap().iter().find_map(|step| step.get("metrics")).unwrap();
        assert_eq!((&metrics["prompt_tokens"], &metrics["cached_tokens"]), (&input.into(), &80.into()), "{usage}");
        let otlp = session.export("otlp", ExportOptions::default());
        let attribute = format!(r#"{{"key":"gen_ai.usage.input_tokens","value":{{"intValue":"{input}"}}}}"#);
        assert!(otlp.contains(&attribute), "{otlp}");
        let markdown = session.export("markdown", ExportOptions::default());
        assert!(markdown.contains(&format!("{input} tokens in (80 cached)")), "{markdown}");
    }
}

#[test]
fn a_session_begins_with_its_first_event_for_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let journal = store.journal("s").unwrap();
    let at = |second: i64| foldlog::Timestamp::from_micros(1_700_000_000_000_000 + second * 1_000_000);
    let events = [
        ("turn_started", r#"{"turn_id":"t"}"#, 0),
        ("session_started", r#"{"session_id":"s"}"#, 60),
        ("text_delta", r#"{"turn_id":"t","text":"x"}"#, 30),
        ("text_delta", r#"{"turn_id":"t","text":"y"}"#, 70),
        ("text_delta", r#"{"turn_id":"t","text":"z"}"#, 20),
        ("turn_ended", r#"{"turn_id":"t"}"#, 71),
    ];
    for (type_name, data, second) in events {
        journal.push(Draft::from_json(type_name, data).unwrap().time(at(second))).unwrap();
    }
    journal.close().wait().unwrap();
    let session = Session { dir, store };
    assert_eq!(session.json(&["ls", "--json"])[0]["started"], "2023-11-14T22:13:20.000000Z");
    assert_eq!(session.json(&["show", "s", "--json"])[0]["started"], "2023-11-14T22:13:20.000000Z");
    let show = session.run(&["show", "s"]);
    assert!(show.contains("lasted 1m 11s"), "{show}");
    assert!(show.lines().nth(1).unwrap().contains("✓ closed; last event at 2023-11-14 22:14:31Z"), "{show}");
    // Times went back twice; no moment counts more than once.
    assert_eq!(session.json(&["stats", "s", "--json"])[0]["active_micros"], 71_000_000);
}

/// Goal: a record that is exported and imported again keeps what users said, and says it once however often it is imported.
#[test]
fn what_users_said_survives_the_way_through_a_record() {
    let session = Session::new(SPOKEN);
    let file = session.dir.path().join("record.json");
    let record =
        session.export("calute", ExportOptions::default()).replace(r#""session_id":"s""#, r#""session_id":"again""#);
    std::fs::write(&file, record).unwrap();
    for _ in 0..2 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_foldlog"));
        let status = command.arg("--root").arg(session.dir.path()).arg("import").arg(&file).output().unwrap().status;
        assert!(status.success());
        let again: Value =
            session.store.get("again").unwrap().turns[0].metadata["foldlog.user_messages"].decode().unwrap();
        let before: Value =
            session.store.get("s").unwrap().turns[0].metadata["foldlog.user_messages"].decode().unwrap();
        assert_eq!(again.as_array().unwrap().len(), 1);
        for member in ["time", "text", "attachments", "metadata"] {
            assert_eq!(again[0][member], before[0][member], "{member}");
        }
        let anomalies = &session.json(&["stats", "again", "--json"])[0]["anomalies"];
        assert_eq!(anomalies, &serde_json::json!({}));
    }
}

/// Goal: an interruption ends a call when it was last heard of, not when its turn was. Method: a call beside a longer one.
#[test]
fn an_interrupted_call_ends_with_its_own_last_event() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let journal = store.journal("s").unwrap();
    let events = [
        ("turn_started", r#"{"turn_id":"t"}"#),
        ("tool_call_started", r#"{"turn_id":"t","call_id":"short","tool_name":"x"}"#),
        ("tool_call_output", r#"{"turn_id":"t","call_id":"short","text":"x"}"#),
        ("tool_call_started", r#"{"turn_id":"t","call_id":"silent","tool_name":"y"}"#),
        ("text_delta", r#"{"turn_id":"t","text":"x"}"#),
    ];
    for (second, (type_name, data)) in (0..).zip(events) {
        let time = foldlog::Timestamp::from_micros(1_700_000_000_000_000 + second * 1_000_000);
        journal.push(Draft::from_json(type_name, data).unwrap().time(time)).unwrap();
    }
    journal.close().wait().unwrap();
    let session = Session { dir, store };
    let trace: Value = serde_json::from_str(&session.export("chrome", ExportOptions::default())).unwrap();
    let took = |name: &str| {
        let events = trace["traceEvents"].as_array().unwrap();
        events.iter().find(|event| event["name"] == name && event["ph"] == "X").unwrap()["dur"].as_i64().unwrap()
    };
    assert_eq!([took("t"), took("x"), took("y")], [4_000_000, 1_000_000, 0]);
}
