//! Transcripts of Claude Code, kind by kind: what the user said and what only takes the user's place, where turns end,
//! whose work is whose, and what was spent.

use crate::import::Root;
use crate::transcripts::import;
use foldlog::{Event, SessionRecord, SourceFormat};
use serde_json::{Value, json};

/// Lines of a transcript: each names the line before it, unless it says otherwise.
#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    count: u32,
}

impl Lines {
    /// A line at this second, with members of its own. Returns its id.
    fn add(&mut self, second: u32, members: Value) -> String {
        let before = self.count;
        self.count += 1;
        let mut line = json!({
            "sessionId": "s-1", "isSidechain": false, "uuid": format!("l-{}", self.count),
            "parentUuid": (before > 0).then(|| format!("l-{before}")),
            "timestamp": format!("2026-04-01T08:{:02}:{:02}.000Z", second / 60, second % 60),
        });
        line.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        self.bytes.extend(format!("{line}\n").bytes());
        format!("l-{}", self.count)
    }

    fn user(&mut self, second: u32, content: Value) -> String {
        self.add(second, json!({"type": "user", "message": {"role": "user", "content": content}}))
    }

    fn said(&mut self, second: u32, id: &str, content: Value, stop: Value) -> String {
        self.add(second, said(id, content, stop))
    }

    fn text(&mut self, second: u32, id: &str, text: &str) -> String {
        self.said(second, id, json!([{"type": "text", "text": text}]), json!("end_turn"))
    }

    fn call(&mut self, second: u32, id: &str, call: &str) -> String {
        self.said(second, id, json!([{"type": "tool_use", "id": call, "name": "Bash", "input": {}}]), json!("tool_use"))
    }

    fn result(&mut self, second: u32, call: &str) -> String {
        self.user(second, json!([{"type": "tool_result", "tool_use_id": call, "content": "done"}]))
    }

    fn imported(&self) -> (Root, Value) {
        let root = Root::new();
        let ran = root.import(&[], &[&root.file("s-1.jsonl", &self.bytes)]);
        assert_eq!(ran.code, Some(0), "{}", ran.words);
        let report = ran.json[0].clone();
        (root, report)
    }

    fn fold(&self) -> SessionRecord {
        self.imported().0.fold("s-1")
    }

    /// Prompt and status of every turn that stands.
    fn turns(&self) -> Vec<(String, String)> {
        let record = self.fold();
        record.turns.into_iter().map(|turn| (turn.prompt, turn.status.as_str().to_owned())).collect()
    }
}

fn said(id: &str, content: Value, stop: Value) -> Value {
    json!({"type": "assistant", "message": {"id": id, "role": "assistant", "model": "m-1", "content": content,
        "stop_reason": stop, "usage": {"input_tokens": 3, "output_tokens": 7, "cache_read_input_tokens": 20,
        "cache_creation_input_tokens": 100}}})
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(prompt, status)| ((*prompt).to_owned(), (*status).to_owned())).collect()
}

#[test]
fn what_the_user_sent_while_the_model_worked_is_a_message_of_the_turn_once() {
    let queued = |lines: &mut Lines, text: &str| {
        lines.add(5, json!({"type": "queue-operation", "operation": "enqueue", "content": text}));
        lines.add(
            9,
            json!({"type": "queue-operation", "operation": "remove", "content": text, "reason": "absorbed_mid_turn"}),
        );
    };
    let attached = |prompt: Value, mode: &str| json!({"type": "attachment", "attachment": {"type": "queued_command", "prompt": prompt, "commandMode": mode}});
    for (name, text) in [("with its line", "And a test"), ("from the queue alone", "And a test")] {
        let mut lines = Lines::default();
        lines.user(0, json!("Rename it"));
        lines.call(2, "m-a", "k-1");
        queued(&mut lines, text);
        if name == "with its line" {
            lines.add(9, attached(json!([{"type": "text", "text": text}]), "prompt"));
        }
        lines.add(9, attached(json!("<task-notification>x</task-notification>"), "task-notification"));
        lines.result(9, "k-1");
        lines.text(12, "m-b", "Both done.");
        let (root, report) = lines.imported();
        let said: Vec<_> = root.events("s-1").into_iter().filter(|(kind, ..)| kind == "user_message").collect();
        assert_eq!(said.len(), 1, "{name}");
        let Ok(Event::UserMessage(message)) = Event::decode(&said[0].0, &said[0].2) else { panic!("{said:?}") };
        assert_eq!((&*message.turn_id, &*message.text), ("l-1", text), "{name}");
        assert_eq!(report["notes"]["user_message"], 1, "{name}");
        let record = root.fold("s-1");
        assert_eq!(record.turns.len(), 1, "{name}");
        let reader = root.store.reader("s-1").unwrap();
        let mut items = reader.items().unwrap();
        while let Some(foldlog::Item::Entry(entry)) = items.next().unwrap() {
            assert!(entry.type_name() != "user_message" || entry.time().to_string().contains("08:00:09"), "{name}");
        }
    }
}

#[test]
fn commands_their_output_and_notices_are_no_prompts() {
    let mut lines = Lines::default();
    lines.user(0, json!("<command-name>/model</command-name>\n<command-args>big</command-args>"));
    lines.user(0, json!("<local-command-stdout>Set</local-command-stdout>"));
    lines.user(1, json!("<bash-input>ls</bash-input>"));
    lines.user(1, json!("<bash-stdout>a</bash-stdout><bash-stderr></bash-stderr>"));
    lines.user(2, json!("<system-reminder>Be kind.</system-reminder>\nBuild it"));
    lines.text(4, "m-a", "Building.");
    lines.user(60, json!("<task-notification><status>completed</status></task-notification>"));
    lines.text(62, "m-b", "Built.");
    // A command that the model answers is what the user asked.
    lines.user(70, json!("<command-message>review</command-message>\n<command-name>/review</command-name>\n<command-args>all</command-args>"));
    lines.add(70, json!({"type": "user", "isMeta": true, "message": {"content": "Look at every file ..."}}));
    lines.text(75, "m-c", "Reviewed.");
    assert_eq!(lines.turns(), pairs(&[("Build it", "success"), ("", "success"), ("/review all", "success")]));
    let (root, report) = lines.imported();
    let record = root.fold("s-1");
    assert_eq!(record.turns[1].metadata["origin"].as_str(), "\"notice\"");
    assert_eq!(record.turns[2].started_at, "2026-04-01T08:01:10.000000Z");
    assert_eq!((&report["kept"]["user.command"], &report["notes"]["command_output"]), (&3.into(), &2.into()));
}

#[test]
fn an_answer_that_does_not_say_that_it_is_the_last_has_ended_its_turn() {
    for with_duration in [true, false] {
        let mut lines = Lines::default();
        lines.user(0, json!("Read it"));
        lines.said(2, "m-a", json!([{"type": "text", "text": "It is empty."}]), Value::Null);
        if with_duration {
            lines.add(3, json!({"type": "system", "subtype": "turn_duration", "durationMs": 3000}));
        }
        let record = lines.fold();
        let ended = if with_duration { "2026-04-01T08:00:03.000000Z" } else { "2026-04-01T08:00:02.000000Z" };
        assert_eq!((record.turns[0].status.as_str(), record.turns[0].ended_at.as_deref()), ("success", Some(ended)));
    }
    // A call whose result never came is work left open.
    let mut lines = Lines::default();
    lines.user(0, json!("Read it"));
    lines.call(2, "m-a", "k-1");
    assert_eq!(lines.turns(), pairs(&[("Read it", "interrupted")]));
}

/// Goal: an end that no line states is the time of the turn's last event. Method: the next prompt comes hours later, with
/// bookkeeping before it, or bears an earlier time.
#[test]
fn an_implied_end_is_the_time_of_the_last_event() {
    let mut lines = Lines::default();
    lines.user(0, json!("First"));
    lines.said(5, "m-a", json!([{"type": "text", "text": "One."}]), Value::Null);
    lines.add(3000, json!({"type": "system", "subtype": "away_summary", "content": "..."}));
    lines.user(3001, json!("Second"));
    lines.text(3004, "m-b", "Two.");
    let (root, _) = lines.imported();
    let record = root.fold("s-1");
    assert_eq!(record.turns[0].ended_at.as_deref(), Some("2026-04-01T08:00:05.000000Z"));
    let totals = root.store.reader("s-1").unwrap().reduce(foldlog::SummaryFold::default()).unwrap().0.totals;
    assert_eq!(totals.active_micros, 8_000_000);
}

#[test]
fn active_time_is_never_more_than_there_was() {
    let mut lines = Lines::default();
    lines.user(0, json!("Ask three"));
    lines.said(
        1,
        "m-a",
        json!([{"type": "tool_use", "id": "k-1", "name": "Task", "input": {"prompt": "look"}}]),
        json!("tool_use"),
    );
    for agent in 0..3 {
        lines.add(2, json!({"type": "user", "isSidechain": true, "message": {"content": format!("look {agent}")}}));
        let mut answer = said(&format!("m-s{agent}"), json!([{"type": "text", "text": "seen"}]), json!("end_turn"));
        answer["isSidechain"] = json!(true);
        lines.add(50, answer);
    }
    lines.result(55, "k-1");
    lines.text(60, "m-b", "Done.");
    let (root, _) = lines.imported();
    let totals = root.store.reader("s-1").unwrap().reduce(foldlog::SummaryFold::default()).unwrap().0.totals;
    assert_eq!(totals.active_micros, 60_000_000);
}

#[test]
fn an_interruption_beside_a_refused_result_cancels_the_turn_and_is_no_failure() {
    let mut lines = Lines::default();
    lines.user(0, json!("Delete it"));
    lines.call(2, "m-a", "k-1");
    lines.user(
        9,
        json!([
            {"type": "tool_result", "tool_use_id": "k-1", "is_error": true,
                "content": "The user doesn't want to proceed with this tool use. It was rejected."},
            {"type": "text", "text": "[Request interrupted by user for tool use]"},
        ]),
    );
    lines.user(30, json!("Only list it"));
    lines.text(33, "m-b", "Listed.");
    assert_eq!(lines.turns(), pairs(&[("Delete it", "cancelled"), ("Only list it", "success")]));
    let record = lines.fold();
    assert_eq!(record.turns[0].ended_at.as_deref(), Some("2026-04-01T08:00:09.000000Z"));
    assert_eq!((record.turns[0].error.as_deref(), record.turns[0].tool_calls[0].error.as_deref()), (None, None));
    assert_eq!(record.turns[0].tool_calls[0].status.as_str(), "skipped");
}

/// Goal: a message whose parts have other lines between them is one call of its turn, with its last usage; input counts
/// what was read from the cache and written into it.
#[test]
fn a_message_in_parts_is_one_call_with_its_last_usage() {
    let mut lines = Lines::default();
    lines.user(0, json!("Do both"));
    let mut first = said("m-a", json!([{"type": "tool_use", "id": "k-1", "name": "Read", "input": {}}]), Value::Null);
    first["message"]["usage"]["output_tokens"] = json!(1);
    lines.add(1, first);
    lines.result(2, "k-1");
    lines.text(3, "m-b", "By the way.");
    lines.said(3, "m-a", json!([{"type": "tool_use", "id": "k-2", "name": "Read", "input": {}}]), json!("tool_use"));
    lines.result(4, "k-2");
    lines.text(6, "m-c", "Both.");
    let (root, report) = lines.imported();
    let record = root.fold("s-1");
    assert_eq!(
        (record.turns.len(), record.turns[0].tool_calls.len(), report["notes"].as_object().unwrap().len()),
        (1, 2, 0)
    );
    let spent = |file: &[u8]| {
        let root = Root::new();
        // Growing line by line must not leave the usage of an earlier part.
        for end in memchr::memchr_iter(b'\n', file) {
            root.import(&[], &[&root.file("s-1.jsonl", &file[..=end])]);
        }
        root.store.reader("s-1").unwrap().reduce(foldlog::SummaryFold::default()).unwrap().0.totals
    };
    let grown = spent(&lines.bytes);
    let whole = root.store.reader("s-1").unwrap().reduce(foldlog::SummaryFold::default()).unwrap().0.totals;
    for totals in [whole, grown] {
        let calls = &totals.model_calls["m-1"];
        let spent = calls.spent;
        assert_eq!((calls.count, spent.input_tokens, spent.output_tokens), (3, 3 * 123, 3 * 7));
        assert_eq!((spent.cache_read_input_tokens, spent.cache_write_input_tokens), (60, 300));
    }
}

#[test]
fn what_was_asked_before_going_back_is_rewound_and_still_spent() {
    let mut lines = Lines::default();
    lines.user(0, json!("Plan it"));
    let planned = lines.text(5, "m-a", "Plan A.");
    lines.user(10, json!("Use red"));
    lines.text(15, "m-b", "Red.");
    lines.add(60, json!({"type": "user", "parentUuid": planned, "message": {"content": "Use blue"}}));
    lines.text(65, "m-c", "Blue.");
    assert_eq!(lines.turns(), pairs(&[("Plan it", "success"), ("Use blue", "success")]));
    let (root, _) = lines.imported();
    let totals = root.store.reader("s-1").unwrap().reduce(foldlog::SummaryFold::default()).unwrap().0.totals;
    assert_eq!((totals.turns.rewound, totals.model_calls["m-1"].count), (1, 3));
}

/// Back to the very first prompt: a prompt that comes after no line, or after hints that come after none.
#[test]
fn going_back_to_the_beginning_rewinds_all_turns() {
    let hint =
        json!({"type": "user", "isMeta": true, "message": {"content": "<system-reminder>Be brief</system-reminder>"}});
    for hinted in [false, true] {
        let mut lines = Lines::default();
        lines.user(0, json!("Plan it"));
        lines.text(5, "m-a", "Plan A.");
        lines.user(10, json!("Use red"));
        lines.text(15, "m-b", "Red.");
        let mut parent = Value::Null;
        if hinted {
            let mut hint = hint.clone();
            hint["parentUuid"] = Value::Null;
            parent = json!(lines.add(59, hint));
        }
        lines.add(60, json!({"type": "user", "parentUuid": parent, "message": {"content": "Draw it"}}));
        lines.text(65, "m-c", "Drawn.");
        assert_eq!(lines.turns(), pairs(&[("Draw it", "success")]), "{hinted}");
    }
}

/// A summary that comes after no line goes on with the conversation; after going back to it, what came since is rewound.
#[test]
fn a_compacted_conversation_goes_on_and_can_be_gone_back_to() {
    for boundary in [false, true] {
        let mut lines = Lines::default();
        lines.user(0, json!("Plan it"));
        let last = lines.text(5, "m-a", "Plan A.");
        let mut parent = Value::Null;
        if boundary {
            let line = json!({"type": "system", "subtype": "compact_boundary", "parentUuid": null,
                "logicalParentUuid": last});
            parent = json!(lines.add(8, line));
        }
        let summary = lines.add(
            9,
            json!({"type": "user", "isCompactSummary": true, "parentUuid": parent,
                "message": {"content": "This session is being continued from a previous conversation: a plan."}}),
        );
        lines.add(10, json!({"type": "user", "parentUuid": summary, "message": {"content": "Use red"}}));
        lines.text(15, "m-b", "Red.");
        assert_eq!(lines.turns(), pairs(&[("Plan it", "success"), ("Use red", "success")]));
        lines.add(20, json!({"type": "user", "parentUuid": summary, "message": {"content": "Use blue"}}));
        lines.text(25, "m-c", "Blue.");
        assert_eq!(lines.turns(), pairs(&[("Plan it", "success"), ("Use blue", "success")]), "{boundary}");
    }
}

/// A fork's file begins with its parent's lines, each of which names the session that it was copied from.
#[test]
fn what_a_fork_copied_from_its_parent_is_not_its_own() {
    let mut lines = Lines::default();
    let from = json!({"sessionId": "s-0", "messageUuid": "u-0"});
    lines.add(0, json!({"type": "user", "forkedFrom": from, "message": {"content": "Plan it"}}));
    let mut copy = said("m-a", json!([{"type": "text", "text": "Plan A."}]), json!("end_turn"));
    copy["forkedFrom"] = from;
    lines.add(1, copy);
    lines.user(10, json!("Use red"));
    lines.text(15, "m-b", "Red.");
    assert_eq!(lines.turns(), pairs(&[("Use red", "success")]));
    let (root, _) = lines.imported();
    assert!(root.events("s-1")[0].2.contains(r#""parent":{"session_id":"s-0""#), "{:?}", root.events("s-1")[0]);
    let totals = root.store.reader("s-1").unwrap().reduce(foldlog::SummaryFold::default()).unwrap().0.totals;
    assert_eq!(totals.model_calls["m-1"].count, 1);
}

/// Two sub-agents without names whose lines are mixed: the chain says whose each line is, the prompt for which call.
#[test]
fn sub_agents_that_work_at_the_same_time_are_kept_apart() {
    let mut lines = Lines::default();
    lines.user(0, json!("Compare"));
    let task =
        |id: &str, prompt: &str| json!({"type": "tool_use", "id": id, "name": "Task", "input": {"prompt": prompt}});
    lines.said(1, "m-a", json!([task("k-1", "see one"), task("k-2", "see two")]), json!("tool_use"));
    let side = |parent: Value, mut line: Value| {
        line["isSidechain"] = json!(true);
        line["parentUuid"] = parent;
        line
    };
    let one = lines.add(2, side(Value::Null, json!({"type": "user", "message": {"content": "see one"}})));
    let two = lines.add(2, side(Value::Null, json!({"type": "user", "message": {"content": "see two"}})));
    let text = |id: &str, text: &str| said(id, json!([{"type": "text", "text": text}]), Value::Null);
    lines.add(9, side(json!(two), text("m-2", "two is fine")));
    lines.add(10, side(json!(one), text("m-1", "one is fine")));
    lines.result(11, "k-2");
    lines.result(12, "k-1");
    lines.text(15, "m-b", "Both fine.");
    let record = lines.fold();
    let of_turn = |at: usize| {
        let turn = &record.turns[at];
        (turn.prompt.as_str(), turn.response_content.as_deref().unwrap_or_default(), turn.metadata["parent"].as_str())
    };
    assert_eq!(of_turn(1), ("see one", "one is fine", r#"{"turn_id":"l-1","call_id":"k-1"}"#));
    assert_eq!(of_turn(2), ("see two", "two is fine", r#"{"turn_id":"l-1","call_id":"k-2"}"#));
    let ends: Vec<_> = record.turns[1..].iter().map(|turn| turn.ended_at.as_deref().unwrap_or_default()).collect();
    assert_eq!(ends, ["2026-04-01T08:00:10.000000Z", "2026-04-01T08:00:09.000000Z"]);
}

#[test]
fn an_older_sub_agents_file_beside_its_session_is_named_after_itself() {
    let root = Root::new();
    let file = |side: bool, prompt: &str| {
        let mut lines = Lines::default();
        lines.add(0, json!({"type": "user", "isSidechain": side, "message": {"content": prompt}}));
        let mut answer = said("m-a", json!([{"type": "text", "text": "Yes."}]), json!("end_turn"));
        answer["isSidechain"] = json!(side);
        lines.add(4, answer);
        lines.bytes
    };
    root.file("agent-1.jsonl", &file(true, "Part one"));
    root.file("agent-2.jsonl", &file(true, "Part two"));
    root.file("s-1.jsonl", &file(false, "All of it"));
    let ran = root.import(&[], &[&root.dir.path().join("logs")]);
    assert_eq!((ran.code, ran.json.len()), (Some(0), 3), "{}", ran.words);
    for (session, prompt) in [("s-1", "All of it"), ("s-1.agent-1", "Part one"), ("s-1.agent-2", "Part two")] {
        let record = root.fold(session);
        assert_eq!((record.turns.len(), record.turns[0].prompt.as_str()), (1, prompt));
        let parent = record.metadata.get("parent").map(|parent| parent.as_str().to_owned());
        assert_eq!(parent, (session != "s-1").then(|| r#"{"session_id":"s-1"}"#.to_owned()));
    }
}

#[test]
fn an_image_is_kept_by_its_size_and_its_data_nowhere() {
    let data = "iVBORw0K".repeat(500);
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}});
    let mut lines = Lines::default();
    lines.user(0, json!([{"type": "text", "text": "What is on it?"}, image]));
    lines.call(2, "m-a", "k-1");
    lines.add(
        3,
        json!({"type": "user", "toolUseResult": {"type": "image", "file": {"base64": data, "type": "image/png"}},
        "message": {"content": [{"type": "tool_result", "tool_use_id": "k-1", "content": [image]}]}}),
    );
    lines.text(5, "m-b", "A chart.");
    let imported = import(&lines.bytes, SourceFormat::ClaudeCode);
    assert!(imported.drafts.iter().all(|draft| !draft.data().contains("iVBORw0K")));
    let result = &lines.fold().turns[0].tool_calls[0].result.as_str().to_owned();
    assert_eq!(result, r#"[{"type":"text","text":"[image/png, 3,000 bytes]"}]"#);
}

#[test]
fn other_programs_files_of_a_similar_shape_are_not_claimed() {
    let qwen = r#"{"uuid":"q-1","parentUuid":null,"sessionId":"a-1","type":"user","message":{"role":"user","parts":[{"text":"Hi"}]}}
{"uuid":"q-2","parentUuid":"q-1","sessionId":"a-1","type":"assistant","message":{"role":"model","parts":[{"text":"Yes"}]}}
"#;
    let grok = r#"{"type":"system","content":"You help."}
{"type":"user","content":[{"type":"text","text":"Hi"}]}
{"type":"assistant","content":"Yes","model_id":"g"}
"#;
    let droid = r#"{"type":"system","subtype":"init","sessionId":"d-1","timestamp":1767812640310,"model":"m"}
{"type":"message","sessionId":"d-1","role":"user","text":"Hi","id":"m-1"}
{"type":"completion","sessionId":"d-1","finalText":"Yes"}
"#;
    let iflow = r#"{"uuid":"i-1","parentUuid":null,"sessionId":"session-4b1e","isSidechain":false,"type":"user","message":{"role":"user","content":"Hi"}}
{"uuid":"i-2","parentUuid":"i-1","sessionId":"session-4b1e","isSidechain":false,"type":"assistant","message":{"role":"assistant","id":"m-1","content":[{"type":"text","text":"Yes"}]}}
"#;
    for file in [qwen, grok, droid, iflow] {
        assert_eq!(SourceFormat::detect(file.as_bytes()), None, "{file}");
    }
}

#[test]
fn a_compacted_conversation_says_so_and_its_summary_is_no_prompt() {
    let mut lines = Lines::default();
    lines.user(0, json!("Begin"));
    lines.text(2, "m-a", "Begun.");
    lines.add(3, json!({"type": "system", "subtype": "compact_boundary", "compactMetadata": {"preTokens": 150_000}}));
    lines.add(3, json!({"type": "user", "isCompactSummary": true, "message": {"content": "So far: begun."}}));
    lines.user(9, json!("Go on"));
    lines.text(12, "m-b", "Done.");
    assert_eq!(lines.turns(), pairs(&[("Begin", "success"), ("Go on", "success")]));
    let (root, _) = lines.imported();
    let events = root.events("s-1");
    let (kind, _, data) = events.iter().find(|(kind, ..)| kind == "context_compacted").expect("the event");
    let Ok(Event::ContextCompacted(compacted)) = Event::decode(kind, data) else { panic!("{data}") };
    assert_eq!((compacted.summary.as_deref(), compacted.tokens_before), (Some("So far: begun."), Some(150_000)));
}
