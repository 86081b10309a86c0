//! Event logs of the Copilot command line: sub-agents in the background, usage that only the end of a run tells, errors in
//! either form, turns that nothing ends.

use crate::transcripts::{folded, import, turns};
use foldlog::{SessionRecord, SourceFormat, Timestamp};

/// An event so many seconds after the session's start; `agent`: what the envelope says beside.
fn event(second: u64, kind: &str, data: &str, agent: &str) -> String {
    let time = Timestamp::from_micros(1_790_000_000_000_000 + second as i64 * 1_000_000);
    let id = crc(kind, data);
    format!("{{\"type\":\"{kind}\",\"data\":{{{data}}},\"id\":\"{id}\",\"timestamp\":\"{time}\"{agent}}}\n")
}

fn crc(kind: &str, data: &str) -> String {
    format!("{kind}:{:08x}", crc32fast::hash(data.as_bytes()))
}

fn start() -> String {
    event(0, "session.start", r#""sessionId":"own","selectedModel":"m-1","context":{"cwd":"/srv"}"#, "")
}

fn asked(second: u64, words: &str) -> String {
    event(second, "user.message", &format!(r#""content":"{words}""#), "")
}

fn said(second: u64, words: &str, more: &str, agent: &str) -> String {
    let data = format!(r#""messageId":"m-{second}","content":"{words}","toolRequests":[]{more}"#);
    event(second, "assistant.message", &data, agent)
}

fn turn_ends(second: u64, agent: &str) -> String {
    event(second, "assistant.turn_end", &format!(r#""turnId":"{second}""#), agent)
}

fn call(second: u64, id: &str, name: &str, agent: &str) -> String {
    event(
        second,
        "tool.execution_start",
        &format!(r#""toolCallId":"{id}","toolName":"{name}","arguments":{{}}"#),
        agent,
    )
}

fn result(second: u64, id: &str, more: &str) -> String {
    event(second, "tool.execution_complete", &format!(r#""toolCallId":"{id}",{more}"#), "")
}

fn shutdown(second: u64, model: &str, [input, output, read, write]: [u64; 4]) -> String {
    let usage = format!(
        r#""usage":{{"inputTokens":{input},"outputTokens":{output},"cacheReadTokens":{read},"cacheWriteTokens":{write}}}"#
    );
    let metrics = format!(r#""modelMetrics":{{"{model}":{{"requests":{{"count":{second}}},{usage}}}}}"#);
    event(second, "session.shutdown", &format!(r#""shutdownType":"routine",{metrics}"#), "")
}

/// Input, output, read from the cache, written to it.
fn spent(lines: &[String]) -> [u64; 4] {
    let spent = folded(&lines.concat(), SourceFormat::Copilot).1.totals.spent();
    [spent.input_tokens, spent.output_tokens, spent.cache_read_input_tokens, spent.cache_write_input_tokens]
}

fn calls(record: &SessionRecord, turn: usize) -> Vec<&str> {
    record.turns[turn].tool_calls.iter().map(|call| &*call.tool_name).collect()
}

#[test]
fn an_agent_in_the_background_ends_nothing_of_its_parents_turn() {
    for named_by_envelope_alone in [false, true] {
        let (agent, more) = match named_by_envelope_alone {
            true => (r#","agentId":"a-7""#, ""),
            false => (r#","agentId":"k-1""#, r#","parentToolCallId":"k-1""#),
        };
        let started = event(
            4,
            "subagent.started",
            r#""toolCallId":"k-1","agentName":"critic""#,
            match named_by_envelope_alone {
                true => agent,
                false => "",
            },
        );
        let lines = [
            start(),
            asked(1, "Criticise it, and say the date"),
            call(3, "k-1", "task", ""),
            started,
            result(4, "k-1", r#""success":true,"result":{"content":"started"}"#),
            said(5, "Looking. ", more, agent),
            call(6, "k-2", "view", agent),
            said(7, "I ask. ", "", ""),
            turn_ends(8, agent),
            call(9, "k-3", "date", ""),
            result(10, "k-3", r#""success":true,"result":{"content":"today"}"#),
            result(11, "k-2", r#""success":true,"result":{"content":"x"}"#),
            said(12, "Today.", "", ""),
            turn_ends(13, ""),
            said(20, "Good.", more, agent),
            event(21, "subagent.completed", r#""toolCallId":"k-1","agentName":"critic""#, ""),
        ];
        let (record, summary) = folded(&lines.concat(), SourceFormat::Copilot);
        let expected =
            [("Criticise it, and say the date", "I ask. Today.", "success"), ("", "Looking. Good.", "success")];
        assert_eq!(turns(&record), expected, "{named_by_envelope_alone}");
        assert_eq!((calls(&record, 0), calls(&record, 1)), (vec!["task", "date"], vec!["view"]));
        assert!(record.turns[1].metadata["parent"].as_str().contains("k-1"));
        assert!(summary.totals.anomalies.is_empty(), "{:?}", summary.totals.anomalies);
    }
}

#[test]
fn an_agent_whose_start_is_lost_has_a_turn_of_its_own() {
    let agent = r#","agentId":"a-7""#;
    let lines = [start(), asked(1, "Go"), said(2, "Mine", "", agent), said(3, "Yours", "", ""), turn_ends(4, "")];
    let (record, _) = folded(&lines.concat(), SourceFormat::Copilot);
    assert_eq!(turns(&record), [("Go", "Yours", "success"), ("", "Mine", "interrupted")]);
    assert_eq!(record.turns[1].agent_id.as_deref(), Some("a-7"));
}

#[test]
fn an_error_is_in_its_own_words_in_either_form() {
    for error in [r#""error":"not found""#, r#""error":{"message":"not found"}"#, r#""result":"not found""#] {
        let lines = [
            start(),
            asked(1, "Go"),
            call(2, "k-1", "bash", ""),
            result(3, "k-1", &format!(r#""success":false,{error}"#)),
        ];
        let (record, _) = folded(&lines.concat(), SourceFormat::Copilot);
        assert_eq!(record.turns[0].tool_calls[0].error.as_deref(), Some("not found"), "{error}");
    }
    for error in [r#""error":"no quota""#, r#""error":{"message":"no quota"}"#] {
        let failed = event(3, "subagent.failed", &format!(r#""toolCallId":"k-1",{error}"#), "");
        let begun = event(2, "subagent.started", r#""toolCallId":"k-1","agentName":"critic""#, "");
        let (record, _) = folded(&[start(), asked(1, "Go"), begun, failed].concat(), SourceFormat::Copilot);
        assert_eq!(record.turns[1].error.as_deref(), Some("no quota"));
    }
}

#[test]
fn the_usage_of_a_run_is_in_its_shutdown_and_counts_once() {
    let turn = |at: u64, out: u64| {
        let more = format!(r#","outputTokens":{out},"model":"m-1""#);
        [asked(at, "Go"), said(at + 1, "Gone", &more, ""), turn_ends(at + 2, "")].concat()
    };
    let resume = |at| event(at, "session.resume", r#""eventCount":4"#, "");
    // The output of the messages is not counted again; what came out beside them is.
    let first = [start(), turn(1, 12), shutdown(5, "m-1", [5000, 15, 4000, 100])];
    assert_eq!(spent(&first), [5000, 15, 4000, 100]);
    // The same run again, and the same run further on: only what is new.
    let again = [first.concat(), shutdown(6, "m-1", [5000, 15, 4000, 100])];
    assert_eq!(spent(&again), [5000, 15, 4000, 100]);
    let further = [first.concat(), turn(6, 10), shutdown(9, "m-1", [7000, 25, 5000, 100])];
    assert_eq!(spent(&further), [7000, 25, 5000, 100]);
    // A resumed run counts from zero, also where it used more than the one before.
    let reset = [first.concat(), resume(10), turn(11, 20), shutdown(19, "m-1", [9000, 20, 6000, 100])];
    assert_eq!(spent(&reset), [14_000, 35, 10_000, 200]);
    // Where its output holds that of the runs before it, it has counted on.
    let total = [first.concat(), resume(10), turn(11, 20), shutdown(19, "m-1", [9000, 35, 6000, 100])];
    assert_eq!(spent(&total), [9000, 35, 6000, 100]);
    // Input that cannot hold what was cached is counted beside it.
    let beside = [start(), turn(1, 12), shutdown(5, "m-1", [10, 12, 4000, 100])];
    assert_eq!(spent(&beside), [4110, 12, 4000, 100]);
    // By model, and messages that name none are of the one that is used.
    let unnamed =
        [start(), asked(1, "Go"), said(2, "Gone", r#","outputTokens":12"#, ""), shutdown(5, "m-1", [50, 12, 0, 0])];
    let (_, summary) = folded(&unnamed.concat(), SourceFormat::Copilot);
    assert_eq!(summary.totals.model_calls.keys().collect::<Vec<_>>(), ["m-1"]);
    assert_eq!(spent(&unnamed), [50, 12, 0, 0]);
}

#[test]
fn a_turn_that_nothing_ends_ends_with_its_last_event() {
    let evening = 8 * 3600;
    let lines = [start(), asked(1, "Morning"), said(2, "Good morning", "", ""), asked(evening, "Evening")];
    let lines = [lines.concat(), said(evening + 5, "Good evening", "", "")];
    let (record, summary) = folded(&lines.concat(), SourceFormat::Copilot);
    assert_eq!(turns(&record), [("Morning", "Good morning", "success"), ("Evening", "Good evening", "success")]);
    assert_eq!(summary.totals.active_micros, 6_000_000);
    // A run that died in a call, and was resumed: that turn was interrupted.
    let died = [start(), asked(1, "Morning"), call(3, "k-1", "bash", ""), event(evening, "session.resume", "", "")];
    let died =
        [died.concat(), asked(evening + 1, "Evening"), said(evening + 2, "Yes", "", ""), turn_ends(evening + 3, "")];
    let (record, summary) = folded(&died.concat(), SourceFormat::Copilot);
    assert_eq!(turns(&record), [("Morning", "", "interrupted"), ("Evening", "Yes", "success")]);
    assert_eq!(summary.totals.active_micros, 4_000_000);
}

#[test]
fn what_is_said_while_a_call_runs_belongs_to_its_turn() {
    let lines = [
        start(),
        asked(1, "Go"),
        call(2, "k-1", "bash", ""),
        asked(3, "Faster"),
        result(4, "k-1", r#""success":true"#),
        said(5, "Gone", "", ""),
        turn_ends(6, ""),
    ];
    let (record, _) = folded(&lines.concat(), SourceFormat::Copilot);
    assert_eq!(turns(&record), [("Go", "Gone", "success")]);
    let events = import(lines.concat().as_bytes(), SourceFormat::Copilot).events();
    assert!(events.iter().any(|(name, data)| name == "user_message" && data.contains("Faster")));
}

#[test]
fn going_back_to_an_earlier_message_rewinds_its_turn_and_all_after_it() {
    let (first, second) = (asked(1, "One"), asked(5, "Two"));
    let id = serde_json::from_str::<serde_json::Value>(&first).unwrap()["id"].as_str().unwrap().to_owned();
    let back = event(9, "session.snapshot_rewind", &format!(r#""upToEventId":"{id}","eventsRemoved":6"#), "");
    let (answers, end) = (said(2, "1", "", ""), turn_ends(3, ""));
    let lines =
        [start(), first, answers, end, second, said(6, "2", "", ""), turn_ends(7, ""), back, asked(10, "Three")];
    let (record, _) = folded(&lines.concat(), SourceFormat::Copilot);
    assert_eq!(turns(&record), [("Three", "", "interrupted")]);
}
