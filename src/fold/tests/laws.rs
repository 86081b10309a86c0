//! What holds for every stream of events, tried with random ones over few ids, so that everything collides: turns and
//! calls that start twice, end twice, come back, are interrupted and rewound.

use super::{Input, feed, fold, lines, origin};
use crate::fold::{OutlineFold, Reducer, SessionFold, SummaryFold, TimelineFold, TimelineKind, Totals};
use crate::model::event::EVENT_TYPES;
use crate::model::record::SessionRecord;
use crate::model::status::StatusMeaning;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use std::fmt::Debug;

/// Members that make sense for every type that has them; a type ignores those it does not have.
fn sensible() -> impl Strategy<Value = Input> {
    let turn = prop::sample::select(vec!["t", "u", "v"]);
    let id = prop::sample::select(vec!["a", "b"]);
    let text = prop::sample::select(vec!["", "x", "yz"]);
    let extra = prop::sample::select(vec![
        "",
        r#","status":"error""#,
        r#","status":"timeout""#,
        r#","status":"running""#,
        r#","status":"interrupted""#,
        r#","error":"e""#,
        r#","status":"failed","error":"""#,
        r#","status":"paused""#,
        r#","status":"running","error":"e""#,
        r#","status":"ok","error":"e""#,
        r#","result":null"#,
        r#","response_content":"r""#,
        r#","arguments":{"n":1},"agent_id":"g""#,
        r#","tool_calls":[{"call_id":"a","tool_name":"w","status":"running"},{"call_id":"a","tool_name":"w"}]"#,
        r#","metadata":{"k":1,"l":null}"#,
        r#","metadata":{"foldlog.user_messages":[],"k":2}"#,
        r#","duration_ms":2.5,"parent":{}"#,
        r#","usage":{"input_tokens":3},"model":"m","reasoning":"r""#,
    ]);
    let with_model_call = prop::bool::ANY;
    (0..EVENT_TYPES.len(), turn, id, text, extra, with_model_call).prop_map(|(at, turn, id, text, extra, with)| {
        let type_name = EVENT_TYPES[at];
        let model_call = match with || type_name.starts_with("model_call") {
            true => format!(r#","model_call_id":"{id}""#),
            false => String::new(),
        };
        let text = match text.is_empty() && type_name == "model_call_ended" {
            true => String::new(),
            false => format!(r#","text":"{text}""#),
        };
        let data = match type_name {
            "session_started" => r#"{"session_id":"s"}"#.to_owned(),
            "turns_rewound" => format!(r#"{{"from_turn_id":"{turn}"}}"#),
            "custom" => r#"{"name":"n"}"#.to_owned(),
            "unparsed" => r#"{"error":"e"}"#.to_owned(),
            "journal_recovered" => r#"{"epoch":2,"after":1}"#.to_owned(),
            "journal_closed" => r#"{"reason":"eof"}"#.to_owned(),
            "events_lost" => r#"{"first_seq":1,"last_seq":1,"count":1,"reason":"full"}"#.to_owned(),
            "approval_requested" | "approval_resolved" => {
                format!(r#"{{"approval_id":"{id}","outcome":"approved","turn_id":"{turn}"{extra}}}"#)
            }
            _ => format!(
                r#"{{"turn_id":"{turn}","call_id":"{id}","tool_name":"w","to_agent":"g"{model_call}{text}{extra}}}"#
            ),
        };
        (type_name.to_owned(), data)
    })
}

/// Any JSON object as the data of any type.
fn wild() -> impl Strategy<Value = Input> {
    let key = prop::sample::select(vec![
        "turn_id",
        "call_id",
        "tool_name",
        "text",
        "status",
        "error",
        "metadata",
        "arguments",
        "result",
        "session_id",
        "model_call_id",
        "usage",
        "duration_ms",
        "tool_calls",
        "prompt",
        "to_agent",
        "from_turn_id",
        "name",
        "value",
        "reason",
        "epoch",
        "after",
        "open",
        "parent",
        "created_at",
        "cost_usd_micros",
        "count",
        "first_seq",
        "last_seq",
        "agent_id",
        "audit_event_ids",
        "response_content",
        "timestamp",
        "started_at",
        "seq",
    ]);
    let value = prop_oneof![
        4 => prop::sample::select(vec![r#""t""#, r#""""#, r#""\u0000\ud83d\ude00""#, "null", "{}", "[]"]),
        1 => prop::sample::select(vec![
            "-1", "1e300", "18446744073709551616", "0.1", "true", r#""\ud800""#, r#"{"a":null}"#, r#"["x"]"#, "[[]]",
            r#"{"input_tokens":18446744073709551615}"#, r#"[{"call_id":"t","tool_name":""}]"#, "9223372036854775807",
        ]),
    ];
    let members = prop::collection::vec((key, value), 0..8);
    let type_name = prop::sample::select([EVENT_TYPES, &["x.y", "journal_x"]].concat());
    (type_name, members).prop_map(|(type_name, members)| {
        let members: Vec<String> = members.iter().map(|(key, value)| format!(r#""{key}":{value}"#)).collect();
        (type_name.to_owned(), format!("{{{}}}", members.join(",")))
    })
}

fn stream() -> impl Strategy<Value = Vec<Input>> {
    prop::collection::vec(prop_oneof![12 => sensible(), 1 => wild()], 0..40)
}

/// At every split the fold of all is the fold of the rest on a clone of the fold of the prefix, and the clone itself
/// goes unharmed.
fn splits<R>(inputs: &[Input])
where
    R: Reducer<Output: PartialEq + Debug> + Clone + Default,
{
    let lines = lines(inputs);
    let whole = fold::<R>(inputs);
    let mut prefix = R::default();
    prefix.begin(&origin());
    for split in 0..=lines.len() {
        let mut rest = prefix.clone();
        prefix.clone().finish();
        lines[split..].iter().for_each(|line| feed(&mut rest, line));
        assert_eq!(rest.finish(), whole, "split after {split}");
        lines.get(split).into_iter().for_each(|line| feed(&mut prefix, line));
    }
}

/// Seeing entries again, at once or from the start, changes nothing.
fn idempotent<R>(inputs: &[Input])
where
    R: Reducer<Output: PartialEq + Debug> + Clone + Default,
{
    let lines = lines(inputs);
    let mut fold_twice = R::default();
    fold_twice.begin(&origin());
    for (at, line) in lines.iter().enumerate() {
        feed(&mut fold_twice, line);
        feed(&mut fold_twice, line);
        feed(&mut fold_twice, &lines[at / 2]);
    }
    assert_eq!(fold_twice.finish(), fold::<R>(inputs));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_fold_can_go_on_from_every_split(inputs in stream()) {
        splits::<SessionFold>(&inputs);
        splits::<TimelineFold>(&inputs);
        splits::<SummaryFold>(&inputs);
        splits::<OutlineFold>(&inputs);
    }

    #[test]
    fn seeing_an_entry_twice_changes_nothing(inputs in stream()) {
        idempotent::<SessionFold>(&inputs);
        idempotent::<TimelineFold>(&inputs);
        idempotent::<SummaryFold>(&inputs);
        idempotent::<OutlineFold>(&inputs);
    }

    #[test]
    fn no_data_is_too_wild(inputs in prop::collection::vec(wild(), 0..40)) {
        fold::<SessionFold>(&inputs);
        fold::<TimelineFold>(&inputs);
        fold::<SummaryFold>(&inputs);
    }

    #[test]
    fn a_record_and_its_json_are_the_same(inputs in stream()) {
        let record = fold::<SessionFold>(&inputs).record;
        let json = serde_json::to_string(&record).expect("a record is JSON");
        let again: SessionRecord = serde_json::from_str(&json).expect("a record reads its own JSON");
        prop_assert_eq!(&again, &record);
        prop_assert_eq!(serde_json::to_string(&again).expect("JSON"), json);
    }

    #[test]
    fn after_an_interruption_nothing_runs(mut inputs in stream()) {
        inputs.push(("journal_closed".into(), r#"{"reason":"eof"}"#.into()));
        let record = fold::<SessionFold>(&inputs).record;
        prop_assert!(record.turns.iter().all(|turn| turn.meaning() != StatusMeaning::Running));
        let mut calls = record.turns.iter().flat_map(|turn| &turn.tool_calls);
        prop_assert!(calls.all(|call| call.meaning() != StatusMeaning::Running));
        let items = fold::<TimelineFold>(&inputs).items;
        prop_assert!(items.iter().all(|item| item.status.as_deref() != Some("running")));
        prop_assert_eq!(fold::<SummaryFold>(&inputs).totals.turns.running, 0);
    }

    /// The three reducers apply the same rules, each in its own way: they must agree on the turns.
    #[test]
    fn record_timeline_and_summary_agree(inputs in prop::collection::vec(sensible(), 0..40)) {
        let record = fold::<SessionFold>(&inputs).record;
        let turns = fold::<SummaryFold>(&inputs).totals.turns;
        let number = |status: StatusMeaning| record.turns.iter().filter(|turn| turn.meaning() == status).count() as u64;
        prop_assert_eq!(turns.running, number(StatusMeaning::Running));
        prop_assert_eq!(turns.interrupted, number(StatusMeaning::Interrupted));
        if turns.rewound == 0 {
            prop_assert_eq!(turns.failed, number(StatusMeaning::Error));
            prop_assert_eq!(turns.unknown_status, number(StatusMeaning::Unknown));
            let items = fold::<TimelineFold>(&inputs).items;
            let of_items: Vec<_> = items
                .iter()
                .filter(|item| item.kind == TimelineKind::Turn)
                .map(|item| (item.turn_id.clone().unwrap_or_default(), item.status.clone().unwrap_or_default()))
                .collect();
            let of_record: Vec<_> =
                record.turns.iter().map(|turn| (turn.turn_id.clone(), turn.status.shown(turn.error.as_deref()).to_owned())).collect();
            prop_assert_eq!(of_items, of_record);
        }
    }

    /// The nth turn of the outline is the nth turn of the record, and a turn of the timeline began where it says.
    #[test]
    fn record_timeline_and_outline_agree(inputs in stream()) {
        let outline = fold::<OutlineFold>(&inputs);
        let of_outline: Vec<&str> = outline.iter().map(|turn| turn.turn_id.as_str()).collect();
        let record = fold::<SessionFold>(&inputs).record;
        let of_record: Vec<&str> = record.turns.iter().map(|turn| turn.turn_id.as_str()).collect();
        prop_assert_eq!(of_outline, of_record);
        let items = fold::<TimelineFold>(&inputs).items;
        for turn in &outline {
            let began = |item: &&crate::fold::TimelineItem| item.kind == TimelineKind::Turn && item.seq == turn.began;
            let item = items.iter().find(began);
            prop_assert_eq!(item.and_then(|item| item.turn_id.as_deref()), Some(turn.turn_id.as_str()));
        }
    }

    /// The summary forgets what the record keeps, and still finds the same oddities.
    #[test]
    fn summary_and_record_find_the_same_oddities(inputs in prop::collection::vec(sensible(), 0..60)) {
        let decodes = |(type_name, data): &Input| crate::model::event::Event::decode(type_name, data).is_ok();
        let inputs: Vec<Input> = inputs.into_iter().filter(decodes).collect();
        let mut of_record = std::collections::BTreeMap::new();
        for anomaly in fold::<SessionFold>(&inputs).anomalies {
            *of_record.entry(anomaly.kind).or_insert(0u64) += 1;
        }
        prop_assert_eq!(fold::<SummaryFold>(&inputs).totals.anomalies, of_record);
    }

    #[test]
    fn totals_add_up_in_any_order(a in stream(), b in stream(), c in stream()) {
        let [a, b, c] = [a, b, c].map(|inputs| fold::<SummaryFold>(&inputs).totals);
        let sum = |parts: [&Totals; 3]| {
            let mut sum = Totals::default();
            parts.into_iter().for_each(|part| sum.merge(part));
            sum
        };
        let all = sum([&a, &b, &c]);
        prop_assert_eq!(&all, &sum([&c, &a, &b]));
        let mut grouped = b.clone();
        grouped.merge(&c);
        prop_assert_eq!(&all, &sum([&Totals::default(), &grouped, &a]));
        prop_assert_eq!(all.sessions, 3);
    }

    #[test]
    fn items_stand_in_sequence_order(inputs in stream()) {
        let items = fold::<TimelineFold>(&inputs).items;
        prop_assert!(items.is_sorted_by_key(|item| item.seq));
    }
}

#[test]
fn the_random_events_are_mostly_ones_that_decode() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let decodes = |(type_name, data): &Input| crate::model::event::Event::decode(type_name, data).is_ok();
    let good = (0..400).filter(|_| sensible().new_tree(&mut runner).is_ok_and(|tree| decodes(&tree.current()))).count();
    assert!(good > 360, "only {good} of 400 decode");
}
