//! Much of everything at the same time: each of it is there, and in its place. That the work for it does not grow with the
//! square of the input is counted in `tests/system/proportion.rs`.

use crate::many;
use crate::transcripts::{Imported, import};
use foldlog::{CaluteDocuments, ExportOptions, Format, SourceFormat, Store};
use serde_json::{Value, json};

/// How many of each kind.
const MANY: usize = 2_000;

fn exported(store: &Store, format: &str, options: ExportOptions) -> Vec<u8> {
    let mut out = Vec::new();
    store.reader("s-1").unwrap().export(Format::named(format).unwrap(), &options, &mut out).unwrap();
    out
}

/// Goal: a turn with many calls that are open at the same time is exported whole.
#[test]
fn a_turn_with_many_open_calls_is_exported() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let journal = store.journal("s-1").unwrap();
    many::open_calls(&journal, MANY);
    journal.close().wait().unwrap();
    let trace: Value = serde_json::from_slice(&exported(&store, "chrome", ExportOptions::default())).unwrap();
    let mut tracks: Vec<u64> = trace["traceEvents"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["cat"] == "tool_call")
        .map(|event| event["tid"].as_u64().unwrap())
        .collect();
    tracks.sort_unstable();
    tracks.dedup();
    assert_eq!(tracks.len(), MANY, "all of them at the same time: each has a track");
    let page = String::from_utf8(exported(&store, "markdown", ExportOptions::default())).unwrap();
    assert!(page.matches("sort").count() >= MANY);
}

/// Goal: the same of many turns, of which the first one is named again and again, and one that never came.
#[test]
fn many_turns_are_exported_and_chosen_from() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let journal = store.journal("s-1").unwrap();
    many::turns(&journal, MANY);
    journal.close().wait().unwrap();
    let page = String::from_utf8(exported(&store, "markdown", ExportOptions::default())).unwrap();
    assert!(page.contains(&format!("pear {}", MANY - 1)));
    let first = ExportOptions::default().turns("1".parse::<foldlog::TurnRange>().unwrap());
    let lines = String::from_utf8(exported(&store, "jsonl", first)).unwrap();
    assert_eq!(lines.matches("pear ").count(), MANY);
}

/// Goal: a transcript of Claude Code in which a turn has many messages, each calls a sub-agent, all work at the same time
/// without names, and their results come in reverse: each sub-agent works for its own call.
#[test]
fn many_sub_agents_at_the_same_time_are_imported() {
    let file = many::sub_agents(MANY);
    let imported = import(file.as_bytes(), SourceFormat::ClaudeCode);
    assert_eq!((imported.counts.mapped, imported.counts.kept_raw), (1 + 3 * MANY as u64, 0));
    let mut agents = 0;
    for (kind, data) in imported.events() {
        if kind == "turn_started" && data.contains("parent") {
            let data: Value = serde_json::from_str(&data).unwrap();
            let number = data["prompt"].as_str().unwrap().trim_start_matches("p-").to_owned();
            assert_eq!(data["parent"]["call_id"], format!("c-{number}"));
            agents += 1;
        }
    }
    assert_eq!(agents, MANY);
}

/// How many records of a kind a hostile file has.
const HOSTILE: usize = 100_000;

fn lines(lines: impl IntoIterator<Item = Value>) -> String {
    lines.into_iter().fold(String::new(), |file, line| file + &line.to_string() + "\n")
}

fn count(imported: &Imported, kind: &str) -> usize {
    imported.drafts.iter().filter(|draft| draft.type_name() == kind).count()
}

/// Goal: very many messages wait in the queue of Claude Code at the same time, and leave it in reverse, before and after the
/// model was given them.
#[test]
fn a_long_queue_is_imported() {
    let said = |id: &str| {
        json!({"type": "assistant", "sessionId": "s-1", "uuid": id,
        "message": {"id": id, "role": "assistant", "content": [{"type": "text", "text": "Yes"}]}})
    };
    let prompt =
        json!({"type": "user", "sessionId": "s-1", "uuid": "l-0", "message": {"role": "user", "content": "Begin"}});
    let queued = |operation: &'static str, reason: &'static str, number: usize| {
        json!({"type": "queue-operation", "sessionId": "s-1", "operation": operation, "reason": reason,
            "content": format!("pear {number}")})
    };
    let enqueued = (0..2 * HOSTILE).map(|number| queued("enqueue", "", number));
    let absorbed = (HOSTILE..2 * HOSTILE).rev().map(|number| queued("remove", "absorbed_mid_turn", number));
    let removed = (HOSTILE / 2..HOSTILE).rev().map(|number| queued("dequeue", "", number));
    // With each answer it is looked up what the model was given.
    let answers = (0..HOSTILE).map(|number| said(&format!("m-{number}")));
    let file = lines([prompt].into_iter().chain(enqueued).chain(removed).chain(absorbed).chain(answers));
    let imported = import(file.as_bytes(), SourceFormat::ClaudeCode);
    assert_eq!(count(&imported, "user_message"), HOSTILE);
    let first = imported.drafts.iter().find(|draft| draft.type_name() == "user_message").unwrap();
    assert!(
        first.data().contains(&format!("pear {HOSTILE}\"")),
        "in the order in which they were sent: {}",
        first.data()
    );
}

/// Goal: very many turns of Codex, each with a call that never ends, named by their ends; then prompts without an answer.
#[test]
fn many_turns_and_open_calls_of_codex_are_imported() {
    let line = |kind: &str, payload: Value| json!({"type": kind, "payload": payload});
    let meta = line("session_meta", json!({"id": "s-1"}));
    let turns = (0..HOSTILE).flat_map(|number| {
        let turn = format!("t-{number}");
        [
            line("event_msg", json!({"type": "task_started", "turn_id": &turn})),
            line("event_msg", json!({"type": "user_message", "message": "Sort"})),
            line("response_item", json!({"type": "function_call", "call_id": format!("c-{number}"), "name": "sort"})),
            line(
                "token_usage_record",
                json!({"response_id": format!("r-{number}"), "usage": {"input_tokens": 1 + number, "output_tokens": 1}}),
            ),
            line("event_msg", json!({"type": "task_complete", "turn_id": &turn})),
        ]
    });
    let asked = (0..HOSTILE).flat_map(|number| {
        let said = |text: String| json!([{"type": "input_text", "text": text}]);
        [
            line("event_msg", json!({"type": "user_message", "message": format!("pear {number}")})),
            line(
                "response_item",
                json!({"type": "message", "role": "user", "content": said(format!("plum {number}"))}),
            ),
        ]
    });
    let rolled_back = (0..HOSTILE).map(|_| line("event_msg", json!({"type": "thread_rolled_back", "num_turns": 1})));
    let file = lines([meta].into_iter().chain(turns).chain(rolled_back).chain(asked));
    let imported = import(file.as_bytes(), SourceFormat::Codex);
    assert_eq!((count(&imported, "tool_call_started"), count(&imported, "model_call_ended")), (HOSTILE, HOSTILE));
    assert_eq!(count(&imported, "turns_rewound"), HOSTILE);
}

/// Goal: very many turns of Copilot while calls of a sub-agent run; each is stopped; then all are gone back to, the last first.
#[test]
fn many_turns_and_open_calls_of_copilot_are_imported() {
    let line = |kind: &str, id: String, data: Value| json!({"type": kind, "id": id, "data": data});
    let begin = line("session.start", "b".to_owned(), json!({"sessionId": "s-1"}));
    let calls = (0..HOSTILE).map(|number| {
        let call = json!({"toolCallId": format!("c-{number}"), "toolName": "sort", "parentToolCallId": "agent"});
        line("tool.execution_start", format!("e-{number}"), call)
    });
    let asked = |number: usize| line("user.message", format!("t-{number}"), json!({"content": "Sort"}));
    let stopped = (0..HOSTILE)
        .flat_map(|number| [asked(number), line("abort", format!("a-{number}"), json!({"reason": "user"}))]);
    let asked = (HOSTILE..2 * HOSTILE).map(asked);
    let rewound = (0..2 * HOSTILE).rev().map(|number| {
        line("session.snapshot_rewind", format!("r-{number}"), json!({"upToEventId": format!("t-{number}")}))
    });
    let file = lines([begin].into_iter().chain(calls).chain(stopped).chain(asked).chain(rewound));
    let imported = import(file.as_bytes(), SourceFormat::Copilot);
    assert_eq!((count(&imported, "tool_call_started"), count(&imported, "turns_rewound")), (HOSTILE, 2 * HOSTILE));
}

/// Goal: very many turns of Gemini are gone back to, the last first.
#[test]
fn many_rewinds_of_gemini_are_imported() {
    let header = json!({"sessionId": "s-1", "projectHash": "p", "startTime": "2026-04-01T08:00:00.000Z"});
    let asked = (0..HOSTILE).map(|number| json!({"id": format!("t-{number}"), "type": "user", "content": "Sort"}));
    let rewound = (0..HOSTILE).rev().map(|number| json!({"$rewindTo": format!("t-{number}")}));
    let file = lines([header].into_iter().chain(asked).chain(rewound));
    let imported = import(file.as_bytes(), SourceFormat::Gemini);
    assert_eq!((count(&imported, "turn_started"), count(&imported, "turns_rewound")), (HOSTILE, HOSTILE));
}

/// Goal: a document with very many turns, handovers and messages during a turn is compared with the session as it stands.
#[test]
fn a_large_document_is_compared_with_its_session() {
    let said: Vec<Value> = (0..HOSTILE).map(|number| json!({"text": format!("pear {number}")})).collect();
    let turn = |number: usize| match number {
        0 => json!({"turn_id": "t-0", "metadata": {"user_messages": said}}),
        _ => json!({"turn_id": format!("t-{number}")}),
    };
    let turns: Vec<Value> = (0..HOSTILE).map(turn).collect();
    let handed: Vec<Value> = (0..HOSTILE).map(|number| json!({"to_agent": format!("a-{number}")})).collect();
    let document = json!({"session_id": "s-1", "turns": turns, "agent_transitions": handed}).to_string();
    let document = CaluteDocuments::of(document.as_bytes()).next().unwrap().unwrap();
    let news = document.drafts(Some(document.record())).unwrap();
    assert!(news.is_empty(), "{} events", news.len());
}
