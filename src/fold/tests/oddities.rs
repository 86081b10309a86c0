//! The record where events come in an odd order: what becomes of the data, and which anomaly says so.

use super::{check, check_timeline, record, session};
use crate::fold::AnomalyKind;
use serde_json::Value;

#[test]
fn two_starts_fill_what_is_missing() {
    check(
        r#"
        turn_started {"turn_id":"t","prompt":"one"}
        turn_started {"turn_id":"t","prompt":"two","agent_id":"a"}
        tool_call_started {"turn_id":"t","call_id":"c","tool_name":"x"}
        tool_call_started {"turn_id":"t","call_id":"c","tool_name":"y","arguments":[1]}
        tool_call_started {"turn_id":"t","call_id":"c","tool_name":"y","arguments":[2]}
        "#,
        r#"
        turn t running "one" -> null
        call c x running [1] -> null
        ! 2 turn_started_twice
        ! 4 call_started_twice
        ! 5 call_started_twice
        "#,
    );
}

#[test]
fn a_start_after_the_end_makes_a_new_turn() {
    check(
        r#"
        turn_started {"turn_id":"t","prompt":"one"}
        turn_ended {"turn_id":"t"}
        turn_started {"turn_id":"t","prompt":"two"}
        text_delta {"turn_id":"t","text":"x"}
        "#,
        r#"
        turn t success "one" -> null
        turn t running "two" -> "x"
        ! 3 turn_started_after_end
        "#,
    );
}

#[test]
fn an_interrupted_turn_that_starts_again_goes_on() {
    check(
        r#"
        turn_started {"turn_id":"t","prompt":"one"}
        text_delta {"turn_id":"t","text":"x"}
        journal_recovered {"epoch":2,"after":2}
        turn_started {"turn_id":"t","prompt":"two"}
        "#,
        r#"turn t running "one" -> "x""#,
    );
}

#[test]
fn a_stray_event_makes_a_turn_that_its_start_adopts() {
    check(
        r#"
        text_delta {"turn_id":"t","text":"x"}
        text_delta {"turn_id":"t","text":"y"}
        turn_started {"turn_id":"t","prompt":"p"}
        "#,
        r#"
        turn t running "p" -> "xy"
        ! 1 unknown_turn
        "#,
    );
    check(
        r#"
        turn_ended {"turn_id":"t"}
        turn_started {"turn_id":"t","prompt":"p"}
        turn_started {"turn_id":"t","prompt":"q"}
        "#,
        r#"
        turn t success "p" -> null
        turn t running "q" -> null
        ! 1 turn_ended_without_start
        ! 2 turn_ended_before_start
        ! 3 turn_started_after_end
        "#,
    );
    let found =
        record("text_delta {\"turn_id\":\"t\",\"text\":\"x\"}\nturn_started {\"turn_id\":\"t\",\"agent_id\":\"a\"}");
    assert_eq!(found["turns"][0]["started_at"], "2026-01-01T00:00:02.000000Z");
    assert_eq!(found["turns"][0]["agent_id"], "a");
}

#[test]
fn a_second_end_is_an_anomaly_and_the_later_data_holds() {
    check(
        r#"
        turn_started {"turn_id":"t"}
        tool_call_started {"turn_id":"t","call_id":"c","tool_name":"x"}
        tool_call_ended {"turn_id":"t","call_id":"c","result":1}
        tool_call_ended {"turn_id":"t","call_id":"c","error":"e"}
        turn_ended {"turn_id":"t","error":"e","response_content":"r"}
        turn_ended {"turn_id":"t"}
        "#,
        r#"
        turn t success "" -> "r"
        call c x error {} -> 1
        ! 4 call_ended_twice
        ! 6 turn_ended_twice
        "#,
    );
}

#[test]
fn a_failed_or_interrupted_call_is_retried_in_place() {
    let retry = |end: &str| {
        format!(
            r#"
            turn_started {{"turn_id":"t"}}
            tool_call_started {{"turn_id":"t","call_id":"c","tool_name":"x","arguments":[1]}}
            tool_call_output {{"turn_id":"t","call_id":"c","text":"half"}}
            {end}
            tool_call_started {{"turn_id":"t","call_id":"c","tool_name":"x","arguments":[2]}}
            tool_call_output {{"turn_id":"t","call_id":"c","text":"all"}}
            "#
        )
    };
    let retried = "turn t running \"\" -> null\ncall c x running [2] -> \"all\"";
    check(&retry("session_ended {}"), retried);
    check(&retry(r#"tool_call_ended {"turn_id":"t","call_id":"c","error":"e","result":1,"duration_ms":5}"#), retried);
    check(&retry(r#"tool_call_ended {"turn_id":"t","call_id":"c","status":"timeout"}"#), retried);
    check(
        &retry(r#"tool_call_ended {"turn_id":"t","call_id":"c","status":"skipped"}"#),
        r#"
        turn t running "" -> null
        call c x skipped [1] -> "half"
        call c x running [2] -> "all"
        ! 5 call_started_after_end
        "#,
    );
    let call = &record(&retry(r#"tool_call_ended {"turn_id":"t","call_id":"c","error":"e","duration_ms":5}"#))["turns"]
        [0]["tool_calls"][0];
    assert_eq!((&call["error"], &call["duration_ms"]), (&Value::Null, &Value::Null));
}

#[test]
fn calls_that_are_not_there_are_made() {
    check(
        r#"
        turn_started {"turn_id":"t"}
        tool_call_ended {"turn_id":"t","call_id":"a","tool_name":"x","error":"e"}
        tool_call_started {"turn_id":"t","call_id":"a","tool_name":"x","arguments":[1]}
        tool_call_output {"turn_id":"t","call_id":"b","text":"o"}
        tool_call_started {"turn_id":"t","call_id":"b","tool_name":"y"}
        tool_call_ended {"turn_id":"u","call_id":"c"}
        "#,
        r#"
        turn t running "" -> null
        call a x error [1] -> null
        call b y running {} -> "o"
        turn u running "" -> null
        call c ? success {} -> null
        ! 2 call_ended_without_start
        ! 3 call_ended_before_start
        ! 4 unknown_call
        ! 6 unknown_turn
        ! 6 call_ended_without_start
        "#,
    );
}

#[test]
fn data_that_does_not_fit_is_an_anomaly_and_nothing_else() {
    check(
        r#"
        turn_started {"turn":"t"}
        acme.shown {"turn":"t"}
        journal_of_tomorrow {}
        "#,
        "! 1 undecodable",
    );
    let found = session(r#"turn_started {"turn":"t"}"#);
    assert_eq!(
        found.anomalies[0].to_string(),
        "seq 1: invalid `turn_started` event: missing field `turn_id` (byte 12 of its data)"
    );
    assert_eq!(found.record.updated_at, "2026-01-01T00:00:01.000000Z");
}

#[test]
fn an_anomaly_says_what_happened() {
    let found = session(r#"tool_call_output {"turn_id":"t","call_id":"c","text":"o"}"#);
    let words: Vec<String> = found.anomalies.iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        [
            "seq 1: turn `t` is not there; it was made from this event",
            "seq 1: call `c` of turn `t` is not there; it was made from this event"
        ]
    );
    assert_eq!((found.anomalies[1].turn_id.as_deref(), found.anomalies[1].call_id.as_deref()), (Some("t"), Some("c")));
}

#[test]
fn a_user_message_for_no_turn_is_a_note_and_an_anomaly() {
    check(
        r#"
        user_message {"turn_id":"t","text":"Hello?"}
        turn_started {"turn_id":"t"}
        "#,
        r#"
        turn t running "" -> null
        ! 1 user_message_without_turn
        "#,
    );
    check_timeline(
        r#"user_message {"turn_id":"t","text":"Hello?"}"#,
        "1 note user message for turn t, which is not there: Hello?",
    );
}

#[test]
fn nobody_but_the_fold_writes_what_users_said() {
    let key = "foldlog.user_messages";
    let found = session(&format!(
        r#"
        turn_started {{"turn_id":"t","metadata":{{"{key}":["no"],"k":1}}}}
        user_message {{"turn_id":"t","text":"yes"}}
        turn_updated {{"turn_id":"t","metadata":{{"{key}":null}}}}
        turn_recorded {{"turn_id":"t","metadata":{{"{key}":"no"}}}}
        turn_ended {{"turn_id":"t","metadata":{{"{key}":1}}}}
        turn_started {{"turn_id":"t"}}
        user_message {{"turn_id":"t","text":"later"}}
        "#
    ));
    let kinds: Vec<AnomalyKind> = found.anomalies.iter().map(|anomaly| anomaly.kind).collect();
    let reserved = AnomalyKind::ReservedMetadata;
    assert_eq!(
        kinds,
        [reserved, reserved, reserved, reserved, AnomalyKind::TurnEndedTwice, AnomalyKind::TurnStartedAfterEnd]
    );
    let said = |turn: usize| -> Value { found.record.turns[turn].metadata[key].decode().expect("an array") };
    assert_eq!((&said(0)[0]["seq"], &said(0)[0]["text"], said(0)[1].is_null()), (&2.into(), &"yes".into(), true));
    assert_eq!(said(1)[0]["text"], "later");
}

#[test]
fn an_approval_is_one_item_from_the_question_to_the_outcome() {
    check_timeline(
        r#"
        turn_started {"turn_id":"t"}
        approval_requested {"approval_id":"a","turn_id":"t","message":"May I?"}
        text_delta {"turn_id":"t","text":"x"}
        approval_requested {"approval_id":"a","turn_id":"t","message":"May I now?"}
        approval_resolved {"approval_id":"a","outcome":"approved"}
        approval_resolved {"approval_id":"a","outcome":"taken back"}
        approval_requested {"approval_id":"a","kind":"again"}
        approval_resolved {"approval_id":"b","outcome":"denied"}
        "#,
        r#"
        1 turn  [running]
        2 approval May I? [taken back] 4000 ms
        3 text x
        7 approval again [pending]
        8 approval  [denied]
        "#,
    );
}

#[test]
fn what_happens_in_an_interrupted_turn_shows_that_it_goes_on() {
    for event in [
        r#"user_message {"turn_id":"t","text":"Go on"}"#,
        r#"approval_requested {"approval_id":"a","turn_id":"t"}"#,
        r#"context_compacted {"turn_id":"t"}"#,
    ] {
        let found =
            session(&format!("turn_started {{\"turn_id\":\"t\"}}\njournal_closed {{\"reason\":\"eof\"}}\n{event}"));
        assert_eq!((found.record.turns[0].status.as_str(), found.anomalies.len()), ("running", 0), "{event}");
    }
}
