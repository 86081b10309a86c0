//! Sessions and transcripts with much of one kind at the same time.

use foldlog::{
    ApprovalRequested, Draft, Journal, TextDelta, ToolCallEnded, ToolCallStarted, TurnEnded, TurnStarted, UserMessage,
};
use serde_json::{Value, json};
use std::fmt::Write as _;

fn push(journal: &Journal, event: impl Into<Draft>) {
    let mut event = event.into();
    while let Err(refused) = journal.push(event) {
        journal.ready().wait().unwrap();
        event = refused.into_draft();
    }
}

/// A turn with many calls that are all open before the first of them ends.
pub fn open_calls(journal: &Journal, count: usize) {
    push(journal, TurnStarted::new("t-1", "Sort the pears"));
    for number in 0..count {
        push(journal, ToolCallStarted::new("t-1", format!("c-{number}"), "sort"));
    }
    for number in 0..count {
        push(journal, ToolCallEnded::new("t-1", format!("c-{number}")));
    }
    push(journal, TurnEnded::success("t-1"));
}

/// Many turns, of which the first one is named again and again, and one that never came.
pub fn turns(journal: &Journal, count: usize) {
    for number in 0..count {
        push(journal, TurnStarted::new(format!("t-{number}"), "Sort"));
    }
    for number in 0..count {
        push(journal, TextDelta::new("t-0", format!("pear {number}, ")));
        push(journal, UserMessage::new("t-0", "And now?"));
        push(journal, ApprovalRequested::new(format!("a-{number}")).turn_id("never"));
    }
}

fn line(id: usize, side: bool, kind: &str, message: Value) -> String {
    json!({"type": kind, "uuid": format!("l-{id}"), "parentUuid": null, "sessionId": "s-1", "isSidechain": side,
        "timestamp": "2026-04-01T08:00:00.000Z", "message": message})
    .to_string()
}

/// A transcript of Claude Code: in one turn many messages, each of which calls a sub-agent; all work at the same time without
/// names, and their results come in reverse.
pub fn sub_agents(count: usize) -> String {
    let mut file = line(0, false, "user", json!({"role": "user", "content": "Begin"})) + "\n";
    for number in 0..count {
        let call = json!({"type": "tool_use", "id": format!("c-{number}"), "name": "Task",
            "input": {"prompt": format!("p-{number}")}});
        let said = json!({"id": format!("m-{number}"), "role": "assistant", "content": [call]});
        writeln!(file, "{}", line(1 + number, false, "assistant", said)).unwrap();
    }
    for number in (0..count).rev() {
        let prompt = json!({"role": "user", "content": format!("p-{number}")});
        writeln!(file, "{}", line(1 + count + number, true, "user", prompt)).unwrap();
    }
    for number in (0..count).rev() {
        let result = json!([{"type": "tool_result", "tool_use_id": format!("c-{number}"), "content": "done"}]);
        let result = json!({"role": "user", "content": result});
        writeln!(file, "{}", line(1 + 2 * count + number, false, "user", result)).unwrap();
    }
    file
}
