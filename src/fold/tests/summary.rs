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
    assert_eq!((found.entries, found.events, found.first_seq.get(), found.last_seq.get()), (17, 16, 1, 17));
    assert_eq!(found.last_activity.map(|time| time.to_string()).as_deref(), Some("2026-01-01T00:00:16.000000Z"));
    let turns = TurnStats { started: 2, ended: 2, failed: 1, cancelled: 1, ..TurnStats::default() };
    assert_eq!(found.turns, turns);
    assert_eq!((found.text_bytes, found.unparsed, found.undecodable), (5, 1, 1));
    let model = &found.model_calls["answered"];
    assert_eq!((model.count, model.errors, model.cost_usd_micros, model.total_ms), (1, 0, 42, 2000.0));
    assert_eq!((model.input_tokens, model.output_tokens, model.reasoning_output_tokens), (10, 5, 1));
    assert_eq!((model.cache_read_input_tokens, model.cache_write_input_tokens), (3, 2));
    assert_eq!((found.model_calls[""].count, found.model_calls[""].errors, found.model_calls.len()), (1, 1, 2));
    let tool = &found.tool_calls["x"];
    assert_eq!((tool.count, tool.errors, &tool.durations_ms), (2, 1, &vec![1000.0, 2.5]));
    assert_eq!((found.tool_calls["y"].count, found.tool_calls["y"].errors, found.tool_calls[""].count), (1, 1, 1));
    assert_eq!((found.types["turn_started"].count, found.types["journal_closed"].bytes), (2, 124));
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
        (found.turns.running, found.turns.interrupted, found.turns.ended, found.turns.rewound, found.state(false))
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
    let tool = &found.tool_calls["x"];
    assert_eq!((tool.count, tool.errors, tool.total_ms), (1, 1, 1000.0));
}

#[test]
fn nothing_at_all_sums_up() {
    let found = summary("");
    assert_eq!(
        (found.session_id.as_str(), found.entries, found.first_seq.get(), found.last_activity),
        ("s", 0, 0, None)
    );
}
