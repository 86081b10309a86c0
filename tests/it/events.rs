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
