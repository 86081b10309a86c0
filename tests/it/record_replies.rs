//! What `foldlog record` replies beside acknowledgements: warnings about what looks like a mistake, and look-ups.

use crate::recorder::{Recorder, note, recorded};
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

fn warnings(replies: &[Value]) -> Vec<(u64, &str)> {
    let warnings = replies.iter().filter_map(|reply| Some((reply["line"].as_u64()?, reply["warning"].as_str()?)));
    warnings.collect()
}

/// Goal: a member that no view will show is named, with the line and what was meant, beside its acknowledgement; what is like
/// none is not. Method: a line of each kind, in a turn that is recorded all the same.
#[test]
fn misspelt_members_are_answered_with_what_was_meant() {
    let root = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::start(root.path(), &["s", "--ack"]);
    let lines: [(Value, &str); 13] = [
        (json!({"type": "turn_started", "data": {"turn_id": "t", "input": "hi"}}), "`input`: did you mean `prompt`?"),
        (json!({"type": "text_delta", "data": {"turn_id": "t", "text": "x", "delta": "y"}}), ""),
        (
            json!({"type": "tool_call_started", "data": {"turn_id": "t", "call_id": "c", "tool_name": "n", "args": {}}}),
            "`args`: did you mean `arguments`?",
        ),
        (
            json!({"type": "tool_call_ended", "data": {"turn_id": "t", "call_id": "c", "output": "y", "exit_code": 1}}),
            "`output`: did you mean `result`?",
        ),
        (
            json!({"type": "model_call_ended", "data": {"turn_id": "t", "model_call_id": "m", "usage": {"prompt_tokens": 1}}}),
            "`prompt_tokens` of `usage`: did you mean `input_tokens`?",
        ),
        (
            json!({"type": "turn_recorded", "data": {"turn_id": "u", "tool_calls": [{"call_id": "c", "tool_name": "n", "output": 1}]}}),
            "`output` of `tool_calls`: did you mean `result`?",
        ),
        (
            json!({"type": "turn_ended", "data": {"turn_id": "t", "response": "x"}}),
            "`response`: did you mean `response_content`?",
        ),
        (
            json!({"type": "custom", "data": {"name": "n"}, "timestamp": "2026-01-01"}),
            "`timestamp`: did you mean `time`?",
        ),
        (json!({"type": "custom", "data": {"name": "n"}, "event_id": "i"}), "`event_id`: did you mean `id`?"),
        (json!({"type": "custom", "data": {"name": "n"}, "value": 1}), "`value`: did you mean `value` inside `data`?"),
        (
            json!({"type": "turn_updated", "data": {"turn_id": "t", "id": "i"}}),
            "`id`: did you mean `id` beside `data`?",
        ),
        (json!({"type": "turn_updated", "data": {"turn_id": "t", "metadata": {"output": 1}, "temperature": 2}}), ""),
        (json!({"type": "turn_startd", "data": {"anything": 1}}), "event type `turn_startd`"),
    ];
    for (line, _) in &lines {
        recorder.event(line);
    }
    recorder.ack(lines.len() as u64);
    let (status, replies, words) = recorder.end();
    assert_eq!(status.code(), Some(0), "{words}");
    let warned = warnings(&replies);
    let wanted = (1..).zip(&lines).filter(|(_, (_, wanted))| !wanted.is_empty());
    for ((line, warning), (wanted_line, (_, wanted))) in warned.iter().zip(wanted) {
        assert!(
            *line == wanted_line && warning.starts_with("unknown ") && warning.contains(wanted),
            "{line}: {warning}"
        );
        assert!(words.contains(&format!("line {line}: {warning}")), "{words}");
    }
    assert_eq!(warned.len(), lines.iter().filter(|(_, wanted)| !wanted.is_empty()).count(), "{warned:?}");
    let with_seq = replies.iter().find(|reply| reply.get("warning").is_some() && reply.get("seq").is_some());
    assert_eq!(with_seq, None, "a reply with `seq` is an acknowledgement");
    assert_eq!(recorded(root.path(), "s").len(), lines.len() + 2);
}

/// Goal: what stands beside `data` is not stored, and never without a word: once for each member. Method: members that are like
/// none, in two lines; a long name; more than are named; members of a journal's lines; `lookup` beside a type.
#[test]
fn what_stands_beside_data_is_named_as_not_stored() {
    let root = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::start(root.path(), &["s", "--ack"]);
    let long = "x".repeat(60);
    let many: String = (0..20).map(|number| format!(",\"zz{number:02}zz\":{number}")).collect();
    recorder.event(&json!({"type": "acme.seen", "data": {"foo": 1}, "level": "info", "pid": 7}));
    recorder.event(&json!({"type": "acme.seen", "data": {}, "level": "warn", "extra": {"a": 5}}));
    recorder.event(&json!({"type": "acme.seen", "data": {}, &long: 1}));
    recorder.event(&json!({"type": "acme.seen", "data": {}, "seq": 1, "blobs": [1], "lookup": "n"}));
    recorder.send(format!("{{\"type\":\"acme.seen\",\"data\":{{}}{many}}}").as_bytes());
    recorder.ack(5);
    let (status, replies, words) = recorder.end();
    assert_eq!(status.code(), Some(0), "{words}");
    let warned = warnings(&replies);
    let of = |line: u64| warned.iter().filter(|(at, _)| *at == line).map(|(_, text)| *text).collect::<Vec<&str>>();
    let unstored = |what: &str| format!("unknown {what}: not stored; what an event says belongs inside `data`");
    let of_first = of(1);
    assert!(of_first.contains(&unstored("member `level`").as_str()), "{warned:?}");
    assert!(of_first.contains(&unstored("member `pid`").as_str()), "{warned:?}");
    assert_eq!(of(2), [unstored("member `extra`")], "{warned:?}");
    assert_eq!(of(3), [unstored(&format!("member `{}...`", &long[..40]))], "{warned:?}");
    assert_eq!(of(4).len(), 3, "{warned:?}");
    assert_eq!(of(5).len(), 17, "{warned:?}");
    assert!(of(5)[16].starts_with("4 more unknown members: not stored"), "{warned:?}");
    assert_eq!(words.matches("`level`: not stored").count(), 1, "{words}");
}

/// Goal: a line without `data` whose content stands beside the type loses nothing. Method: such lines, kept as `unparsed` with
/// a reply that says so; `"data":null` alone is an empty one.
#[test]
fn a_line_without_data_is_kept_whole_if_it_says_anything() {
    let root = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::start(root.path(), &["s", "--ack"]);
    let lines = [r#"{"type":"a.b","foo":1}"#, r#"{"type":"a.b","data":null,"foo":2}"#, r#"{"type":"a.b","blobs":[3]}"#];
    for line in lines {
        recorder.send(line.as_bytes());
    }
    recorder.send(br#"{"type":"a.b","data":null}"#);
    recorder.send(br#"{"type":"a.b","id":"i","time":"2026-04-01T08:00:00Z"}"#);
    recorder.ack(5);
    let (status, replies, words) = recorder.end();
    assert_eq!(status.code(), Some(1), "{words}");
    for line in 1..=3 {
        let reply = replies.iter().find(|reply| reply["line"] == line && reply["error"].is_string());
        let reply = reply.unwrap_or_else(|| panic!("{replies:?}"));
        assert!(reply["seq"].is_u64() && reply["error"].as_str().unwrap().starts_with("no `data`, but `"), "{reply}");
    }
    let entries = recorded(root.path(), "s");
    let kept: Vec<&str> =
        entries.iter().filter(|(name, _)| name == "unparsed").filter_map(|(_, data)| data["text"].as_str()).collect();
    assert_eq!(kept, lines);
    let empty = entries.iter().filter(|(name, data)| name == "a.b" && *data == json!({})).count();
    assert_eq!(empty, 2, "{entries:?}");
}

/// Goal: the words of a refusal do not say what a warning says. Method: `--strict`, and each warning that names an outcome.
#[test]
fn a_refusal_does_not_say_that_the_line_is_recorded() {
    for (bad, why) in [
        (json!({"type": "my_type", "data": {}}), "unknown event type `my_type`: a type with a dot"),
        (json!({"type": "turn_startd", "data": {}}), "unknown event type `turn_startd`: did you mean"),
        (json!({"type": "a.b", "data": {}, "extra": 5}), "unknown member `extra`: what an event says belongs inside"),
        (json!({"type": "a.b", "foo": 1}), "no `data`, but `foo`"),
    ] {
        let root = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::start(root.path(), &["s", "--ack", "--strict"]);
        recorder.event(&note(1));
        recorder.event(&bad);
        let (status, replies, words) = recorder.end();
        assert_eq!(status.code(), Some(1), "{words}");
        let error = replies.iter().find_map(|reply| reply["error"].as_str()).unwrap();
        assert!(error.starts_with(why), "{error}");
        assert!(words.contains(&format!("line 2: {error}; not recorded, and stopped, since")), "{words}");
        assert!(!words.contains("recorded as it is") && !words.contains("not stored"), "{words}");
        assert!(!recorded(root.path(), "s").iter().any(|(name, _)| name == "a.b" || name == "my_type"));
    }
}

/// Goal: a status that counts as neither success nor failure is named, once on stderr, with what was meant; synonyms are not.
#[test]
fn unknown_statuses_are_answered_with_what_was_meant() {
    let root = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::start(root.path(), &["s", "--ack"]);
    let ended = |status: &str| json!({"type": "turn_ended", "data": {"turn_id": "t", "status": status}});
    for status in ["failed", "ok", "sucess", "sucess"] {
        recorder.event(&ended(status));
    }
    recorder.event(
        &json!({"type": "tool_call_ended", "data": {"turn_id": "t", "call_id": "c", "status": "sucess", "error": "e"}}),
    );
    let (status, replies, words) = recorder.end();
    assert_eq!(status.code(), Some(0), "{words}");
    let lines: Vec<u64> = warnings(&replies).iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [3, 4], "{replies:?}");
    assert!(warnings(&replies)[0].1.contains("did you mean `success`"), "{replies:?}");
    assert_eq!(words.matches("sucess").count(), 1, "{words}");
}

/// Goal: `--strict` stops at what looks like a mistake. Method: one of each kind, behind a good line.
#[test]
fn strict_stops_at_a_misspelt_member_and_at_an_unknown_status() {
    for bad in [
        json!({"type": "tool_call_ended", "data": {"turn_id": "t", "call_id": "c", "output": "y"}}),
        json!({"type": "turn_ended", "data": {"turn_id": "t", "status": "sucess"}}),
        json!({"type": "custom", "data": {"name": "n"}, "ts": "2026-01-01"}),
    ] {
        let root = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::start(root.path(), &["s", "--ack", "--strict"]);
        recorder.event(&json!({"type": "custom", "data": {"name": "n", "extra": 1}}));
        recorder.event(&bad);
        recorder.event(&note(3));
        let (status, replies, words) = recorder.end();
        assert_eq!(status.code(), Some(1), "{words}");
        assert!(words.contains("line 2: unknown") && words.contains("did you mean"), "{words}");
        assert!(replies.iter().any(|reply| reply["line"] == 2 && reply["error"].is_string()), "{replies:?}");
        assert_eq!(recorded(root.path(), "s").len(), 3);
    }
}

/// Goal: an event that is refused for a member it lacks is told which one may have been meant. Method: aliases of required
/// members, and an event without `data`.
#[test]
fn what_is_no_event_is_answered_with_what_was_meant() {
    let root = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::start(root.path(), &["s", "--ack"]);
    recorder.event(&json!({"type": "text_delta", "data": {"turn_id": "t", "delta": "y"}}));
    recorder.event(&json!({"type": "tool_call_started", "data": {"turn_id": "t", "call_id": "c", "name": "n"}}));
    recorder.event(&json!({"event": "text_delta", "data": {"turn_id": "t", "text": "y"}}));
    recorder.event(&json!({"type": "text_delta", "turn_id": "t", "text": "y"}));
    let (_, replies, words) = recorder.end();
    for (line, meant) in (1..).zip(["mean `text`?", "mean `tool_name`?", "mean `type`?", "inside `data`?"]) {
        let reply = replies.iter().find(|reply| reply["line"] == line && reply["error"].is_string()).unwrap();
        assert!(reply["error"].as_str().unwrap().contains(meant), "{reply} {words}");
    }
}

/// Goal: a long run with the same mistake in every line is not drowned in warnings. Method: more than are sent.
#[test]
fn warnings_are_limited() {
    let root = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::start(root.path(), &["s", "--ack"]);
    for number in 0..1_500 {
        recorder.event(&json!({"type": "custom", "data": {"name": "n", "valu": number, "vaalue": 1}}));
    }
    let (status, replies, words) = recorder.end();
    assert_eq!((status.code(), warnings(&replies).len()), (Some(0), 1000));
    assert_eq!(words.matches("did you mean").count(), 2, "{words}");
}

/// Goal: a look-up sees every line before it, comes when these are durable, in its turn, and has no `seq`; a client that was
/// killed before its reply finds out whether its event is there. Method: look-ups between events, and after a kill.
#[test]
fn a_look_up_tells_whether_an_event_was_recorded() {
    let root = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::start(root.path(), &["s", "--ack"]);
    recorder.event(&note(1));
    recorder.event(&json!({"lookup": "n-1"}));
    recorder.event(&json!({"lookup": "n-2"}));
    recorder.event(&note(2));
    recorder.event(&json!({"lookup": "n-2"}));
    recorder.event(&json!({"lookup": "x".repeat(200)}));
    recorder.event(&json!({"lookup": 7}));
    let found = |line: u64| move |reply: &Value| reply["line"] == line && reply.get("lookup").is_some();
    let (first, second) = (recorder.wait_for("a look-up", found(2)), recorder.wait_for("a look-up", found(3)));
    assert_eq!(first, json!({"line": 2, "lookup": "n-1", "found": 2, "complete": true}));
    assert_eq!(second, json!({"line": 3, "lookup": "n-2", "found": null, "complete": true}));
    assert_eq!(recorder.wait_for("a look-up", found(5))["found"], 3);
    recorder
        .wait_for("refusal", |reply| reply["line"] == 6 && reply["error"].is_string() && reply.get("seq").is_none());
    recorder.wait_for("word of a bad line", |reply| reply["line"] == 7 && reply["error"].is_string());
    {
        let replies = recorder.replies.lock().unwrap();
        let at = |wanted: &dyn Fn(&Value) -> bool| replies.iter().position(wanted).unwrap();
        // An acknowledgement covers all lines before its own: one that waits is replaced, where it is, by the next.
        let covered = |seq: u64| at(&move |reply| reply["seq"].as_u64() >= Some(seq));
        assert!(covered(2) < at(&found(2)), "in order: {replies:?}");
        assert!(covered(3) < at(&found(5)), "in order: {replies:?}");
    }
    kill_process(recorder.pid(), Signal::KILL).unwrap();
    recorder.end();

    let mut recorder = Recorder::start(root.path(), &["--sessions", "--ack"]);
    recorder.event(&json!({"lookup": "n-2", "session": "s"}));
    recorder.event(&json!({"lookup": "n-3", "session": "s"}));
    recorder.event(&json!({"lookup": "n-3"}));
    let reply = recorder.wait_for("a look-up", found(1));
    assert_eq!(reply, json!({"session": "s", "line": 1, "lookup": "n-2", "found": 3, "complete": true}));
    assert_eq!(recorder.wait_for("a look-up", found(2))["found"], Value::Null);
    let refused = recorder.wait_for("refusal", |reply| reply["line"] == 3);
    assert!(refused["error"].as_str().unwrap().contains("session"), "{refused}");
    recorder.end();
    let entries = recorded(root.path(), "s");
    assert!(entries.iter().all(|(_, data)| data.get("lookup").is_none() && data["text"] != "{\"lookup\":\"n-1\"}"));

    let mut recorder = Recorder::start(root.path(), &["s"]);
    recorder.event(&json!({"lookup": "n-2"}));
    let (status, _, words) = recorder.end();
    assert!(status.code() == Some(1) && words.contains("--ack"), "{words}");
}
