//! Much of everything: what takes time in proportion to the input takes seconds here, and what looks at everything again
//! for each of its parts takes many minutes.

use crate::transcripts::import;
use foldlog::{
    ExportOptions, Format, Store, TextDelta, ToolCallEnded, ToolCallStarted, TurnEnded, TurnStarted, UserMessage,
};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// How many of each kind.
const MANY: usize = 40_000;

fn exported(store: &Store, format: &str, options: ExportOptions) -> Vec<u8> {
    let mut out = Vec::new();
    store.reader("s-1").unwrap().export(Format::named(format).unwrap(), &options, &mut out).unwrap();
    out
}

/// Goal: a turn with many calls that are open at the same time is exported in time, by every way through it.
#[test]
fn a_turn_with_many_open_calls_is_exported() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let journal = store.journal("s-1").unwrap();
    journal.push(TurnStarted::new("t-1", "Sort the pears")).unwrap();
    for number in 0..MANY {
        journal.push(ToolCallStarted::new("t-1", format!("c-{number}"), "sort")).unwrap();
    }
    for number in 0..MANY {
        journal.push(ToolCallEnded::new("t-1", format!("c-{number}"))).unwrap();
    }
    journal.push(TurnEnded::success("t-1")).unwrap();
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
    for number in 0..MANY {
        journal.push(TurnStarted::new(format!("t-{number}"), "Sort")).unwrap();
    }
    for number in 0..MANY {
        journal.push(TextDelta::new("t-0", format!("pear {number}, "))).unwrap();
        journal.push(UserMessage::new("t-0", "And now?")).unwrap();
        let asked = foldlog::ApprovalRequested::new(format!("a-{number}")).turn_id("never");
        journal.push(asked).unwrap();
    }
    journal.close().wait().unwrap();
    let page = String::from_utf8(exported(&store, "markdown", ExportOptions::default())).unwrap();
    assert!(page.contains(&format!("pear {}", MANY - 1)));
    let first = ExportOptions::default().turns("1".parse::<foldlog::TurnRange>().unwrap());
    let lines = String::from_utf8(exported(&store, "jsonl", first)).unwrap();
    assert_eq!(lines.matches("pear ").count(), MANY);
}

fn line(number: usize, side: bool, kind: &str, message: Value) -> String {
    json!({"type": kind, "uuid": format!("l-{number}"), "parentUuid": null, "sessionId": "s-1", "isSidechain": side,
        "timestamp": "2026-04-01T08:00:00.000Z", "message": message})
    .to_string()
}

/// Goal: a transcript of Claude Code in which a turn has many messages, each calls a sub-agent, all work at the same time
/// without names, and their results come in reverse: each sub-agent works for its own call.
#[test]
fn many_sub_agents_at_the_same_time_are_imported() {
    let mut file = line(0, false, "user", json!({"role": "user", "content": "Begin"})) + "\n";
    for number in 0..MANY {
        let call = json!({"type": "tool_use", "id": format!("c-{number}"), "name": "Task",
            "input": {"prompt": format!("p-{number}")}});
        let said = json!({"id": format!("m-{number}"), "role": "assistant", "content": [call]});
        writeln!(file, "{}", line(1 + number, false, "assistant", said)).unwrap();
    }
    for number in (0..MANY).rev() {
        let prompt = json!({"role": "user", "content": format!("p-{number}")});
        writeln!(file, "{}", line(1 + MANY + number, true, "user", prompt)).unwrap();
    }
    for number in (0..MANY).rev() {
        let result = json!([{"type": "tool_result", "tool_use_id": format!("c-{number}"), "content": "done"}]);
        let result = json!({"role": "user", "content": result});
        writeln!(file, "{}", line(1 + 2 * MANY + number, false, "user", result)).unwrap();
    }
    let imported = import(file.as_bytes(), foldlog::SourceFormat::ClaudeCode);
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
