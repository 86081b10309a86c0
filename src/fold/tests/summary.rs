//! The summary: counts, durations, tokens and how a session stands.

use super::summary;
use crate::fold::{SessionState, TurnStats};

#[test]
fn a_session_in_numbers() {
    let found = summary(
        r#"
        session_started {"session_id":"s","workspace_id":"w","agent_id":"a"}
        turn_started {"turn_id":"t"}
        model_call_started {"turn_id":"t","model_call_id":"m","model":"asked"}
        text_delta {"turn_id":"t","text":"é","model_call_id":"m"}
        model_call_ended {"turn_id":"t","model_call_id":"m","model":"answered","text":"é","usage":{"input_tokens":10,"output_tokens":5,"cache_read_input_tokens":3,"cache_write_input_tokens":2,"reasoning_output_tokens":1},"cost_usd_micros":42}
        model_call_ended {"turn_id":"t","model_call_id":"n","text":"abc","error":"e","duration_ms":7}
        tool_call_started {"turn_id":"t","call_id":"c","tool_name":"x"}
        tool_call_ended {"turn_id":"t","call_id":"c","status":"timeout"}
        tool_call_started {"turn_id":"t","call_id":"c","tool_name":"x"}
        tool_call_started {"turn_id":"t","call_id":"c","tool_name":"x"}
        tool_call_ended {"turn_id":"t","call_id":"c","duration_ms":2.5,"result":"a body"}
        tool_call_ended {"turn_id":"t","call_id":"d"}
        turn_ended {"turn_id":"t","error":"e"}
        turn_recorded {"turn_id":"u","status":"cancelled","tool_calls":[{"call_id":"c","tool_name":"y","error":"e","duration_ms":1}]}
        unparsed {"error":"e","text":"{"}
        turn_started {}
        journal_closed {"reason":"eof"}
        "#,
    );
    let totals = &found.totals;
    assert_eq!((totals.entries, totals.events, found.first_seq.get(), found.last_seq.get()), (17, 16, 1, 17));
    assert_eq!(totals.last_activity.map(|time| time.to_string()).as_deref(), Some("2026-01-01T00:00:16.000000Z"));
    let turns = TurnStats { started: 2, ended: 2, succeeded: 0, failed: 1, cancelled: 1, ..TurnStats::default() };
    assert_eq!(totals.turns, turns);
    assert_eq!((totals.text_bytes, totals.unparsed, totals.undecodable), (5, 1, 1));
    let model = &totals.model_calls["answered"];
    assert_eq!(
        (model.count, model.errors, model.spent.cost_usd_micros, model.durations.total_ms()),
        (1, 0, 42, 2000.0)
    );
    let spent = model.spent;
    assert_eq!((spent.input_tokens, spent.output_tokens, spent.reasoning_output_tokens), (10, 5, 1));
    assert_eq!((spent.cache_read_input_tokens, spent.cache_write_input_tokens), (3, 2));
    assert_eq!((totals.model_calls[""].count, totals.model_calls[""].errors, totals.model_calls.len()), (1, 1, 2));
    let tool = &totals.tool_calls["x"];
    assert_eq!((tool.count, tool.errors, tool.timeouts), (2, 1, 1));
    assert_eq!((tool.durations.count(), tool.durations.total_ms(), tool.durations.max_ms()), (2, 1002.5, Some(1000.0)));
    assert_eq!((totals.tool_calls["y"].count, totals.tool_calls["y"].errors, totals.tool_calls[""].count), (1, 1, 1));
    assert_eq!((totals.types["turn_started"].count, totals.types["journal_closed"].bytes), (2, 124));
    assert_eq!(found.state(false), SessionState::Idle);
    assert_eq!(found.state(true), SessionState::Live);
}

#[test]
fn what_is_open_at_the_end_and_what_was_rewound() {
    let turns = |tail: &str| {
        let head = r#"
            turn_started {"turn_id":"t"}
            turn_started {"turn_id":"u"}
            turn_started {"turn_id":"v"}
            turn_ended {"turn_id":"v"}
            "#;
        let found = summary(&format!("{head}{tail}"));
        let turns = &found.totals.turns;
        (turns.running, turns.interrupted, turns.ended, turns.rewound, found.state(false))
    };
    assert_eq!(turns(""), (2, 0, 1, 0, SessionState::Interrupted));
    assert_eq!(turns("journal_closed {\"reason\":\"eof\"}"), (0, 2, 1, 0, SessionState::Interrupted));
    assert_eq!(turns("session_ended {}\nturn_updated {\"turn_id\":\"u\"}"), (1, 1, 1, 0, SessionState::Interrupted));
    assert_eq!(turns("turns_rewound {\"from_turn_id\":\"u\"}"), (1, 0, 1, 2, SessionState::Interrupted));
    assert_eq!(turns("session_ended {}"), (0, 2, 1, 0, SessionState::Ended));
}

#[test]
fn the_first_end_of_a_call_counts() {
    let found = summary(
        r#"
        turn_started {"turn_id":"t"}
        tool_call_started {"turn_id":"t","call_id":"c","tool_name":"x"}
        tool_call_ended {"turn_id":"t","call_id":"c","error":"e"}
        tool_call_ended {"turn_id":"t","call_id":"c","error":"e"}
        tool_call_recorded {"turn_id":"t","call_id":"c","tool_name":"x","error":"e"}
        "#,
    );
    let tool = &found.totals.tool_calls["x"];
    assert_eq!((tool.count, tool.errors, tool.durations.total_ms()), (1, 1, 1000.0));
}

#[test]
fn nothing_at_all_sums_up() {
    let found = summary("");
    assert_eq!(
        (found.session_id.as_str(), found.totals.entries, found.first_seq.get(), found.totals.last_activity),
        ("s", 0, 0, None)
    );
}

#[test]
fn calls_that_are_interrupted_retried_and_rewound_each_count_once() {
    let found = summary(
        r#"
        turn_started {"turn_id":"t"}
        tool_call_started {"turn_id":"t","call_id":"a","tool_name":"x"}
        journal_recovered {"epoch":2,"after":2}
        tool_call_started {"turn_id":"t","call_id":"a","tool_name":"x"}
        tool_call_ended {"turn_id":"t","call_id":"a"}
        tool_call_started {"turn_id":"t","call_id":"b","tool_name":"x"}
        turn_ended {"turn_id":"t"}
        tool_call_ended {"turn_id":"t","call_id":"a"}
        turn_started {"turn_id":"u"}
        tool_call_started {"turn_id":"u","call_id":"a","tool_name":"x"}
        turns_rewound {"from_turn_id":"u"}
        turn_started {"turn_id":"v"}
        tool_call_started {"turn_id":"v","call_id":"a","tool_name":"x"}
        "#,
    );
    let tool = &found.totals.tool_calls["x"];
    assert_eq!((tool.count, tool.durations.count(), tool.interrupted, tool.running), (5, 1, 3, 1));
    assert_eq!(found.totals.anomalies.values().sum::<u64>(), 1);
}

#[test]
fn only_time_in_which_a_turn_runs_is_active() {
    let active = |text: &str| summary(text).totals.active_micros / 1_000_000;
    assert_eq!(active("custom {\"name\":\"n\"}\ncustom {\"name\":\"n\"}"), 0);
    let run = r#"
        turn_started {"turn_id":"t"}
        text_delta {"turn_id":"t","text":"x"}
        turn_started {"turn_id":"u"}
        turn_ended {"turn_id":"u"}
        turn_ended {"turn_id":"t"}
        custom {"name":"n"}
        "#;
    assert_eq!(active(run), 4);
    let died = r#"
        turn_started {"turn_id":"t"}
        text_delta {"turn_id":"t","text":"x"}
        journal_recovered {"epoch":2,"after":2}
        custom {"name":"n"}
        text_delta {"turn_id":"t","text":"x"}
        turn_ended {"turn_id":"t"}
        "#;
    assert_eq!(active(died), 2);
}
