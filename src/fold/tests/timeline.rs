//! The timeline: what becomes an item, and where.

use super::check_timeline;

#[test]
fn a_turn_in_its_true_order() {
    check_timeline(
        r#"
        session_started {"session_id":"s"}
        turn_started {"turn_id":"t","prompt":"Fix it"}
        model_call_started {"turn_id":"t","model_call_id":"m","model":"large"}
        reasoning_delta {"turn_id":"t","text":"h","model_call_id":"m"}
        reasoning_delta {"turn_id":"t","text":"m","model_call_id":"m"}
        text_delta {"turn_id":"t","text":"I ","model_call_id":"m"}
        text_delta {"turn_id":"t","text":"look","model_call_id":"m"}
        model_call_ended {"turn_id":"t","model_call_id":"m","text":"I look","reasoning":"hm"}
        tool_call_started {"turn_id":"t","call_id":"c","tool_name":"read","arguments":{"path":"a b","n":2}}
        tool_call_ended {"turn_id":"t","call_id":"c","duration_ms":2.5}
        agent_transition {"from_agent":"a","to_agent":"b","reason":"done"}
        text_delta {"turn_id":"t","text":"Done"}
        turn_ended {"turn_id":"t","response_content":"Done"}
        "#,
        r#"
        1 note session started
        2 turn Fix it [success] 11000 ms
        3 model_call large [success] 5000 ms
        4 reasoning hm
        6 text I look
        9 tool_call read path="a b" n=2 [success] 2.5 ms
        11 transition a -> b: done
        12 text Done
        "#,
    );
}

#[test]
fn texts_of_turns_side_by_side_do_not_mix_and_do_not_break() {
    check_timeline(
        r#"
        turn_started {"turn_id":"t"}
        turn_started {"turn_id":"u"}
        text_delta {"turn_id":"t","text":"a"}
        text_delta {"turn_id":"u","text":"1"}
        text_delta {"turn_id":"t","text":"b"}
        text_delta {"turn_id":"t","text":"c","model_call_id":"m"}
        "#,
        r#"
        1 turn  [running]
        2 turn  [running]
        3 text ab
        4 text 1
        6 text c
        "#,
    );
}

#[test]
fn text_that_came_only_with_an_end_stands_there_once() {
    check_timeline(
        r#"
        turn_started {"turn_id":"t","prompt":"p"}
        model_call_started {"turn_id":"t","model_call_id":"m","provider":"x"}
        model_call_ended {"turn_id":"t","model_call_id":"m","model":"large","text":"one ","reasoning":"hm"}
        model_call_ended {"turn_id":"t","model_call_id":"n","text":"two","error":"e"}
        turn_ended {"turn_id":"t","response_content":"one two"}
        turn_started {"turn_id":"u"}
        text_delta {"turn_id":"u","text":"draft"}
        turn_ended {"turn_id":"u","response_content":"final"}
        "#,
        r#"
        1 turn p [success] 4000 ms
        2 model_call large [success] 1000 ms
        3 reasoning hm
        3 text one
        4 model_call  [error]
        4 text two
        6 turn  [success] 2000 ms
        7 text draft
        8 text final
        "#,
    );
}

#[test]
fn an_empty_piece_does_not_hide_the_text_of_the_end() {
    check_timeline(
        r#"
        turn_started {"turn_id":"t"}
        text_delta {"turn_id":"t","text":"","model_call_id":"m"}
        reasoning_delta {"turn_id":"t","text":"","model_call_id":"m"}
        model_call_ended {"turn_id":"t","model_call_id":"m","text":"Done","reasoning":"hm"}
        "#,
        r#"
        1 turn  [running]
        4 model_call  [success]
        4 reasoning hm
        4 text Done
        "#,
    );
}

#[test]
fn interruptions_and_retries() {
    check_timeline(
        r#"
        turn_started {"turn_id":"t","prompt":"p"}
        model_call_started {"turn_id":"t","model_call_id":"m","model":"large"}
        tool_call_started {"turn_id":"t","call_id":"c","tool_name":"x"}
        tool_call_started {"turn_id":"t","call_id":"d","tool_name":"y"}
        text_delta {"turn_id":"t","text":"a"}
        journal_recovered {"epoch":2,"after":4,"cuts":[{"segment":1,"offset":2,"bytes":3}]}
        tool_call_started {"turn_id":"t","call_id":"c","tool_name":"x"}
        tool_call_output {"turn_id":"t","call_id":"d","text":"o"}
        text_delta {"turn_id":"t","text":"b"}
        journal_closed {"reason":"eof"}
        "#,
        r#"
        1 turn p [interrupted]
        2 model_call large [interrupted]
        3 tool_call x [interrupted]
        4 tool_call y [interrupted]
        5 text a
        6 note journal recovered after seq 4, 1 cut
        7 tool_call x [interrupted]
        9 text b
        10 note journal closed: eof
        "#,
    );
}

#[test]
fn no_text_goes_on_across_an_interruption() {
    check_timeline(
        r#"
        turn_started {"turn_id":"t"}
        text_delta {"turn_id":"t","text":"a"}
        journal_recovered {"epoch":2,"after":2}
        text_delta {"turn_id":"t","text":"b"}
        "#,
        r#"
        1 turn  [running]
        2 text a
        3 note journal recovered after seq 2
        4 text b
        "#,
    );
}

#[test]
fn the_end_of_a_turn_interrupts_its_calls() {
    check_timeline(
        r#"
        turn_started {"turn_id":"t"}
        model_call_started {"turn_id":"t","model_call_id":"m"}
        tool_call_started {"turn_id":"t","call_id":"c","tool_name":"x"}
        tool_call_started {"turn_id":"t","call_id":"d","tool_name":"y"}
        turn_ended {"turn_id":"t"}
        tool_call_ended {"turn_id":"t","call_id":"d"}
        "#,
        r#"
        1 turn  [success] 4000 ms
        2 model_call  [interrupted]
        3 tool_call x [interrupted]
        4 tool_call y [success] 2000 ms
        "#,
    );
}

#[test]
fn stray_events_and_notes() {
    check_timeline(
        r#"
        custom {"name":"step","value":1}
        unparsed {"error":"not JSON","text":"{"}
        acme.shown {}
        events_lost {"first_seq":1,"last_seq":2,"count":2,"reason":"disk full"}
        tool_call_ended {"turn_id":"t","call_id":"c","tool_name":"x","status":"timeout"}
        turn_started {"turn_id":"t","prompt":"p"}
        turn_ended {"turn_id":"u"}
        turns_rewound {"from_turn_id":"t"}
        turn_started {}
        session_ended {"reason":"bye"}
        "#,
        r#"
        1 note step
        2 note unparsed input: not JSON
        3 note acme.shown
        4 note 2 events lost: disk full
        5 turn p [interrupted]
        5 tool_call x [timeout]
        7 turn  [success]
        8 note rewound to before turn t
        9 note invalid `turn_started` event: missing field `turn_id` (byte 2 of its data)
        10 note session ended: bye
        "#,
    );
}

#[test]
fn whole_records() {
    check_timeline(
        r#"
        turn_recorded {"turn_id":"t","prompt":"p","response_content":"r","started_at":"2026-01-01T00:00:00Z","ended_at":"2026-01-01T00:00:09Z","tool_calls":[{"call_id":"c","tool_name":"x","duration_ms":3}]}
        tool_call_recorded {"turn_id":"t","call_id":"c","tool_name":"x","arguments":[1],"error":"e"}
        tool_call_recorded {"turn_id":"t","call_id":"d","tool_name":"y"}
        "#,
        r#"
        1 turn p [success] 9000 ms
        1 tool_call x [1] [error]
        1 text r
        3 tool_call y [success]
        "#,
    );
}

#[test]
fn a_long_title_is_cut_between_characters() {
    let title = crate::fold::timeline::title::tool_call("x", crate::json::Json::new(&["é".repeat(500)]).ok().as_ref());
    assert_eq!(title, format!("x [\"{}...", "é".repeat(98)));
}
