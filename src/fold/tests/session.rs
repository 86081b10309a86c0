//! The record: one rule a test.

use super::{check, inputs, record, session};
use crate::fold::{Reducer, SessionFold};
use serde_json::json;

#[test]
fn a_plain_session() {
    check(
        r#"
        session_started {"session_id":"s"}
        turn_started {"turn_id":"t1","prompt":"Fix it"}
        text_delta {"turn_id":"t1","text":"Do"}
        tool_call_started {"turn_id":"t1","call_id":"c1","tool_name":"bash","arguments":{"n":1e2}}
        tool_call_output {"turn_id":"t1","call_id":"c1","text":"o\"k"}
        tool_call_ended {"turn_id":"t1","call_id":"c1"}
        text_delta {"turn_id":"t1","text":"ne"}
        turn_ended {"turn_id":"t1"}
        "#,
        r#"
        turn t1 success "Fix it" -> "Done"
        call c1 bash success {"n":1e2} -> "o\"k"
        "#,
    );
}

#[test]
fn nothing_at_all_is_a_session_too() {
    let found = SessionFold::new().finish();
    assert_eq!((found.record.session_id.as_str(), found.record.updated_at.as_str()), ("unknown", ""));
    assert_eq!(record("")["created_at"], "2026-01-01T00:00:00.000000Z");
    assert_eq!(record("")["updated_at"], "2026-01-01T00:00:00.000000Z");
}

#[test]
fn times_come_from_the_entries() {
    let found = record(
        r#"
        custom {"name":"x"}
        session_started {"session_id":"s"}
        turn_started {"turn_id":"t1"}
        agent_transition {"to_agent":"a"}
        agent_transition {"to_agent":"b","timestamp":"noon"}
        turn_ended {"turn_id":"t1"}
        journal_closed {"reason":"eof"}
        "#,
    );
    assert_eq!(found["created_at"], "2026-01-01T00:00:02.000000Z");
    assert_eq!(found["updated_at"], "2026-01-01T00:00:06.000000Z", "the recorder's own entries move no time");
    assert_eq!(found["turns"][0]["started_at"], "2026-01-01T00:00:03.000000Z");
    assert_eq!(found["turns"][0]["ended_at"], "2026-01-01T00:00:06.000000Z");
    assert_eq!(found["agent_transitions"][0]["timestamp"], "2026-01-01T00:00:04.000000Z");
    assert_eq!(found["agent_transitions"][1]["timestamp"], "noon");
}

#[test]
fn a_second_session_started_merges_and_keeps_created_at() {
    let found = session(
        r#"
        session_started {"session_id":"s","agent_id":"a","created_at":"then","metadata":{"x":1,"y":2},"parent":{"turn_id":"p"}}
        session_started {"session_id":"s","workspace_id":"w","created_at":"now","metadata":{"x":null,"z":3}}
        session_updated {"agent_id":"b","metadata":{"y":[1.50]}}
        "#,
    );
    let found = found.record;
    assert_eq!(found.created_at, "then");
    assert_eq!(found.workspace_id, Some("w".into()));
    assert_eq!(found.agent_id, Some("b".into()));
    let metadata = serde_json::to_string(&found.metadata).expect("JSON");
    assert_eq!(metadata, r#"{"y":[1.50],"parent":{"turn_id":"p"},"z":3}"#);
}

#[test]
fn another_sessions_id_is_an_anomaly() {
    check(r#"session_started {"session_id":"other"}"#, "! 1 wrong_session");
    check(r#"session_started {"session_id":""}"#, "! 1 wrong_session");
    assert_eq!(record(r#"session_started {"session_id":"other"}"#)["session_id"], "s");
}

#[test]
fn text_is_the_model_calls_in_the_order_of_their_first_events() {
    check(
        r#"
        turn_started {"turn_id":"t"}
        model_call_started {"turn_id":"t","model_call_id":"a"}
        text_delta {"turn_id":"t","text":"[loose]"}
        text_delta {"turn_id":"t","text":"B","model_call_id":"b"}
        text_delta {"turn_id":"t","text":"a","model_call_id":"a"}
        text_delta {"turn_id":"t","text":"[more]"}
        model_call_ended {"turn_id":"t","model_call_id":"a","text":"A"}
        model_call_ended {"turn_id":"t","model_call_id":"c","text":"C"}
        text_delta {"turn_id":"t","text":"late","model_call_id":"a"}
        reasoning_delta {"turn_id":"t","text":"hm"}
        "#,
        r#"turn t running "" -> "A[loose]B[more]C""#,
    );
}

#[test]
fn a_failed_model_call_says_nothing_and_its_retry_does() {
    check(
        r#"
        turn_started {"turn_id":"t"}
        text_delta {"turn_id":"t","text":"Hel","model_call_id":"a"}
        model_call_ended {"turn_id":"t","model_call_id":"a","error":"overloaded"}
        model_call_started {"turn_id":"t","model_call_id":"a"}
        text_delta {"turn_id":"t","text":"Hello","model_call_id":"a"}
        model_call_ended {"turn_id":"t","model_call_id":"a"}
        model_call_ended {"turn_id":"t","model_call_id":"b","text":"no","status":"error"}
        model_call_ended {"turn_id":"t","model_call_id":"c","text":"!","status":"ok","error":""}
        "#,
        r#"turn t running "" -> "Hello!""#,
    );
}

#[test]
fn a_given_response_stands_for_the_text() {
    let turn = r#"
        turn_started {"turn_id":"t"}
        text_delta {"turn_id":"t","text":"text"}
        "#;
    check(&format!(r#"{turn} turn_ended {{"turn_id":"t","response_content":""}}"#), r#"turn t success "" -> """#);
    check(&format!(r#"{turn} turn_ended {{"turn_id":"t","status":"cancelled"}}"#), r#"turn t cancelled "" -> "text""#);
    check(r#"turn_started {"turn_id":"t"}"#, r#"turn t running "" -> null"#);
}

#[test]
fn a_result_of_null_is_a_result() {
    let call = |ended: &str| {
        format!(
            r#"
            turn_started {{"turn_id":"t"}}
            tool_call_started {{"turn_id":"t","call_id":"c","tool_name":"x"}}
            tool_call_output {{"turn_id":"t","call_id":"c","text":"out"}}
            tool_call_ended {{"turn_id":"t","call_id":"c"{ended}}}
            "#
        )
    };
    let expected = |rest: &str| format!("turn t running \"\" -> null\ncall c x {rest}");
    check(&call(""), &expected(r#"success {} -> "out""#));
    check(&call(r#","result":null,"error":"e""#), &expected("error {} -> null"));
    check(&call(r#","result":{"a":1,"a":2},"status":"odd""#), &expected(r#"odd {} -> {"a":1,"a":2}"#));
}

#[test]
fn the_end_of_a_turn_interrupts_its_calls() {
    check(
        r#"
        turn_started {"turn_id":"t"}
        tool_call_started {"turn_id":"t","call_id":"c","tool_name":"x"}
        tool_call_started {"turn_id":"t","call_id":"d","tool_name":"x"}
        turn_ended {"turn_id":"t"}
        tool_call_ended {"turn_id":"t","call_id":"d"}
        "#,
        r#"
        turn t success "" -> null
        call c x interrupted {} -> null
        call d x success {} -> null
        "#,
    );
}

#[test]
fn an_interruption_takes_everything_that_runs_and_a_later_event_wakes_it() {
    for end in ["session_ended {}", r#"journal_closed {"reason":"eof"}"#, r#"journal_recovered {"epoch":2,"after":1}"#]
    {
        let input = format!(
            r#"
            turn_started {{"turn_id":"t"}}
            tool_call_started {{"turn_id":"t","call_id":"c","tool_name":"x"}}
            turn_started {{"turn_id":"u"}}
            turn_started {{"turn_id":"v"}}
            turn_ended {{"turn_id":"v"}}
            {end}
            tool_call_output {{"turn_id":"t","call_id":"c","text":"o"}}
            turn_ended {{"turn_id":"u","error":"e"}}
            text_delta {{"turn_id":"v","text":"late"}}
            "#
        );
        let expected = r#"
            turn t running "" -> null
            call c x running {} -> "o"
            turn u error "" -> null
            turn v success "" -> "late"
            "#;
        check(&input, expected);
        check(
            &format!("{input}\n{end}"),
            r#"
            turn t interrupted "" -> null
            call c x interrupted {} -> "o"
            turn u error "" -> null
            turn v success "" -> "late"
            "#,
        );
    }
}

#[test]
fn a_call_that_outlives_its_turn_is_interrupted_too() {
    check(
        r#"
        turn_started {"turn_id":"t"}
        turn_ended {"turn_id":"t"}
        tool_call_started {"turn_id":"t","call_id":"c","tool_name":"x"}
        session_ended {}
        "#,
        r#"
        turn t success "" -> null
        call c x interrupted {} -> null
        "#,
    );
}

#[test]
fn whole_records_replace_in_place() {
    check(
        r#"
        turn_started {"turn_id":"t","prompt":"old"}
        turn_started {"turn_id":"u"}
        text_delta {"turn_id":"t","text":"old"}
        tool_call_started {"turn_id":"t","call_id":"a","tool_name":"x"}
        turn_recorded {"turn_id":"t","prompt":"new","tool_calls":[{"call_id":"b","tool_name":"y","result":7}]}
        tool_call_recorded {"turn_id":"t","call_id":"b","tool_name":"z","error":"e"}
        tool_call_recorded {"turn_id":"t","call_id":"c","tool_name":"z"}
        tool_call_recorded {"turn_id":"v","call_id":"c","tool_name":"z"}
        turn_recorded {"turn_id":"w","error":"e"}
        session_ended {}
        "#,
        r#"
        turn t success "new" -> null
        call b z error {} -> null
        call c z success {} -> null
        turn u interrupted "" -> null
        turn v interrupted "" -> null
        call c z success {} -> null
        turn w error "" -> null
        ! 8 unknown_turn
        "#,
    );
}

#[test]
fn whole_records_keep_their_metadata_as_it_is() {
    let found = session(r#"turn_recorded {"turn_id":"t","metadata":{"x":null,"n":12345678901234567890123}}"#);
    let metadata = serde_json::to_string(&found.record.turns[0].metadata).expect("JSON");
    assert_eq!(metadata, r#"{"x":null,"n":12345678901234567890123}"#);
}

#[test]
fn a_rewind_takes_turns_and_their_transitions() {
    check(
        r#"
        turn_started {"turn_id":"t"}
        agent_transition {"to_agent":"a","turn_id":"t"}
        turn_started {"turn_id":"u"}
        agent_transition {"to_agent":"b","turn_id":"u"}
        agent_transition {"to_agent":"c"}
        turn_started {"turn_id":"v"}
        agent_transition {"to_agent":"d","turn_id":"v"}
        turns_rewound {"from_turn_id":"u"}
        turns_rewound {"from_turn_id":"v"}
        "#,
        r#"
        turn t running "" -> null
        transition a
        transition c
        ! 9 unknown_rewind
        "#,
    );
}

#[test]
fn a_rewind_of_a_repeated_turn_leaves_the_older_one() {
    check(
        r#"
        turn_started {"turn_id":"t","prompt":"old"}
        agent_transition {"to_agent":"a","turn_id":"t"}
        turn_ended {"turn_id":"t"}
        turn_started {"turn_id":"t","prompt":"new"}
        agent_transition {"to_agent":"b","turn_id":"t"}
        turns_rewound {"from_turn_id":"t"}
        turn_updated {"turn_id":"t"}
        "#,
        r#"
        turn t success "old" -> null
        transition a
        ! 4 turn_started_after_end
        "#,
    );
}

#[test]
fn ids_and_metadata_of_turns_and_calls_come_together() {
    let found = record(
        r#"
        turn_started {"turn_id":"t","metadata":{"a":1},"parent":{"session_id":"p","call_id":"c"}}
        turn_updated {"turn_id":"t","audit_event_ids":["x"],"metadata":{"a":null,"b":2}}
        tool_call_started {"turn_id":"t","call_id":"c","tool_name":"n","sandbox_context":{"k":1},"metadata":{"m":1}}
        tool_call_ended {"turn_id":"t","call_id":"c","duration_ms":1.5,"metadata":{"m":2}}
        turn_ended {"turn_id":"t","audit_event_ids":["y"],"metadata":{"c":3}}
        "#,
    );
    let turn = &found["turns"][0];
    assert_eq!(turn["metadata"], json!({"parent": {"session_id": "p", "call_id": "c"}, "b": 2, "c": 3}));
    assert_eq!(turn["audit_event_ids"], json!(["x", "y"]));
    let call = &turn["tool_calls"][0];
    assert_eq!((&call["sandbox_context"], &call["metadata"]), (&json!({"k": 1}), &json!({"m": 2})));
    assert_eq!(call["duration_ms"].to_string(), "1.5");
}

#[test]
fn the_fold_knows_the_last_number_it_saw() {
    let mut fold = SessionFold::new();
    assert_eq!(fold.last_seq().get(), 0);
    super::lines(&inputs("a {}\nb {}")).iter().for_each(|line| super::feed(&mut fold, line));
    assert_eq!(fold.last_seq().get(), 2);
}

#[test]
fn the_first_start_names_the_parent() {
    let found = record(
        r#"
        turn_started {"turn_id":"t","parent":{"turn_id":"p"}}
        turn_started {"turn_id":"t","parent":{"turn_id":"q"}}
        "#,
    );
    assert_eq!(found["turns"][0]["metadata"], json!({"parent": {"turn_id": "p"}}));
}
