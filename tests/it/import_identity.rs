//! Which session a file becomes: files that went on differently, were rewritten, have no conversation, or no id but a name
//! that many files have. Nothing may be called mapped that is in no session.

use crate::import::Root;
use serde_json::{Value, json};
use std::fs;

fn line(value: Value) -> Vec<u8> {
    format!("{value}\n").into_bytes()
}

/// A prompt and its answer in the shape of Claude Code; `stop` is the answer's `stop_reason`.
fn exchange(session: &str, number: u32, prompt: &str, stop: Value) -> Vec<u8> {
    let at = |second: u32| format!("2026-04-01T08:{number:02}:{second:02}.000Z");
    let asked = json!({"type": "user", "sessionId": session, "uuid": format!("u-{number}"), "timestamp": at(0),
        "message": {"role": "user", "content": prompt}});
    let said = json!({"type": "assistant", "sessionId": session, "uuid": format!("a-{number}"), "timestamp": at(5),
        "message": {"id": format!("m-{number}"), "content": [{"type": "text", "text": format!("To {prompt}.")}],
            "stop_reason": stop, "usage": {"input_tokens": 1, "output_tokens": 2}}});
    [line(asked), line(said)].concat()
}

fn prompts(root: &Root, session: &str) -> Vec<String> {
    root.fold(session).turns.iter().map(|turn| turn.prompt.clone()).collect()
}

/// Goal: a copy that went on differently loses nothing. Method: two files with the same beginning and other ends, in both
/// orders, each imported twice: two sessions, and nothing new the second time.
#[test]
fn a_copy_that_went_on_differently_becomes_a_session_of_its_own() {
    let common = exchange("s-1", 1, "Begin", json!("end_turn"));
    let (left, right) =
        (exchange("s-1", 2, "Go left", json!("end_turn")), exchange("s-1", 2, "Go right", json!("end_turn")));
    for reversed in [false, true] {
        let root = Root::new();
        let a = root.file("a.jsonl", &[common.clone(), left.clone()].concat());
        let b = root.file("b.jsonl", &[common.clone(), right.clone()].concat());
        let files = if reversed { [&*b, &*a] } else { [&*a, &*b] };
        let ran = root.import(&[], &files);
        assert_eq!((ran.code, &ran.json[1]["session_id"]), (Some(0), &"s-1.2".into()), "{}", ran.words);
        assert!(ran.words.contains("session s-1 was imported from other content"), "{}", ran.words);
        let mut all = [prompts(&root, "s-1"), prompts(&root, "s-1.2")];
        all.sort();
        assert_eq!(all, [["Begin", "Go left"], ["Begin", "Go right"]]);
        let again = root.import(&[], &files);
        let new: Vec<_> = again.json.iter().map(|report| report["events"].as_u64()).collect();
        assert_eq!((again.code, new), (Some(0), vec![Some(0), Some(0)]), "{}", again.words);
    }
}

/// Goal: what copies begin with is counted once in a sum. Method: a file that was imported, went on and was imported again,
/// two copies of it that went on differently, and the same four exchanges in one file; the sums must be equal.
#[test]
fn what_copies_have_in_common_is_counted_once_in_a_sum() {
    let stats = |root: &Root, args: &[&str]| -> Value {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_foldlog"));
        let output =
            command.arg("--root").arg(root.store.root()).args(["stats", "--json"]).args(args).output().unwrap();
        let last = String::from_utf8(output.stdout).unwrap().lines().last().unwrap().to_owned();
        serde_json::from_str(&last).unwrap()
    };
    let exchanges: Vec<Vec<u8>> =
        (1..5).map(|at| exchange("s-1", at, &format!("Number {at}"), json!("end_turn"))).collect();
    let (whole, copied) = (Root::new(), Root::new());
    whole.import(&[], &[&whole.file("a.jsonl", &exchanges.concat())]);
    copied.import(&[], &[&copied.file("a.jsonl", &exchanges[0])]);
    for (name, last) in [("a.jsonl", 1), ("b.jsonl", 2), ("c.jsonl", 3)] {
        let file = [exchanges[0].clone(), exchanges[last].clone()].concat();
        copied.import(&[], &[&copied.file(name, &file)]);
    }
    let (one, all) = (stats(&whole, &["s-1"]), stats(&copied, &["--all"]));
    for member in ["spent", "model_calls", "turns", "text_bytes"] {
        assert_eq!(all[member], one[member], "{member}");
    }
    assert_eq!(stats(&copied, &["s-1.2"])["turns"]["started"], 2, "alone it is counted whole");
    assert_eq!(stats(&copied, &["s-1.3", "s-1.2"])["turns"]["started"], 3);
}

#[test]
fn a_file_that_was_rewritten_and_an_older_copy_of_it_are_told_apart() {
    let root = Root::new();
    let (first, second) = (exchange("s-1", 1, "One", json!("end_turn")), exchange("s-1", 2, "Two", json!("end_turn")));
    let path = root.file("a.jsonl", &[first.clone(), second].concat());
    root.import(&[], &[&path]);
    // An older state of the same file: all of it is there.
    let older = root.file("older.jsonl", &first);
    let ran = root.import(&[], &[&older]);
    assert_eq!((&ran.json[0]["session_id"], &ran.json[0]["events"]), (&"s-1".into(), &0.into()), "{}", ran.words);
    // The same length, and one word of the last line is another.
    let text = String::from_utf8(fs::read(&path).unwrap()).unwrap();
    fs::write(&path, text.replace("To Two", "To Too")).unwrap();
    let ran = root.import(&[], &[&path]);
    assert_eq!(ran.json[0]["session_id"], "s-1.2", "{}", ran.words);
    assert_eq!(root.fold("s-1.2").turns[1].response_content.as_deref(), Some("To Too."));
}

#[test]
fn a_segment_that_went_on_differently_becomes_a_session_of_its_own() {
    let segments = |second: &str| {
        let lab = Root::new();
        let journal = lab.store.journal("f-1").unwrap();
        for (turn, prompt) in [("t-1", "same"), ("t-2", second)] {
            let draft = foldlog::Draft::from(foldlog::TurnStarted::new(turn, prompt));
            journal.push(draft.time(foldlog::Timestamp::parse_rfc3339("2026-04-01T08:00:00Z").unwrap())).unwrap();
        }
        journal.close().wait().unwrap();
        fs::read(lab.store.root().join("f-1/00000001.jsonl")).unwrap()
    };
    let (a, b) = (segments("left"), segments("right"));
    let root = Root::new();
    let import = |file: &[u8]| {
        let path = root.file("s/00000001.jsonl", file);
        root.import(&["--format", "foldlog"], &[&path]).json[0]["session_id"].clone()
    };
    assert_eq!((import(&a), import(&b), import(&a)), ("f-1".into(), "f-1.2".into(), "f-1".into()));
    assert_eq!(prompts(&root, "f-1.2"), ["same", "right"]);
}

/// A session whose folder has bookkeeping of the same id in another one, whichever comes first.
#[test]
fn a_file_without_a_conversation_takes_no_id() {
    for folder in ["a", "z"] {
        let root = Root::new();
        let stub = [
            line(json!({"type": "mode", "sessionId": "s-1", "mode": "plan"})),
            line(json!({"type": "worktree-state", "sessionId": "s-1"})),
        ];
        let stub = root.file(&format!("{folder}/s-1.jsonl"), &stub.concat());
        root.file("m/s-1.jsonl", &exchange("s-1", 1, "Work", json!("end_turn")));
        root.file("m/notes.json", b"{\"a\":1}");
        let ran = root.import(&[], &[&root.dir.path().join("logs")]);
        assert_eq!((ran.code, ran.json.len()), (Some(0), 1), "{}", ran.words);
        assert!(ran.words.contains("passed over 2 files without a conversation"), "{}", ran.words);
        assert_eq!(ran.words.lines().count(), 1, "one line, whatever was passed over: {}", ran.words);
        assert_eq!(prompts(&root, "s-1"), ["Work"]);
        let ran = root.import(&[], &[&stub]);
        assert_eq!((ran.code, ran.json.len()), (Some(1), 0));
    }
}

#[test]
fn files_that_are_all_called_the_same_are_named_after_their_folders() {
    let root = Root::new();
    let torn = b"on.start\",\"data\":{}}\n";
    for folder in ["one", "two"] {
        let said = json!({"type": "user.message", "id": "e-1", "timestamp": "2026-04-01T08:00:00Z", "parentId": null,
            "data": {"content": format!("In {folder}")}});
        root.file(&format!("session-state/{folder}/events.jsonl"), &[torn.to_vec(), line(said)].concat());
    }
    let ran = root.import(&[], &[&root.dir.path().join("logs")]);
    assert_eq!((ran.code, ran.json.len()), (Some(3), 2), "{}", ran.words);
    assert_eq!((prompts(&root, "one"), prompts(&root, "two")), (vec!["In one".to_owned()], vec!["In two".to_owned()]));
}

/// A prompt that comes after more than the first looks at a file: an image of two megabytes before it in its line, and a
/// thousand lines of bookkeeping.
#[test]
fn a_conversation_may_begin_late_in_a_file() {
    let root = Root::new();
    let image =
        json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A".repeat(2 << 20)}});
    let first = json!({"type": "user", "sessionId": "s-1", "uuid": "u-1", "timestamp": "2026-04-01T08:00:00Z",
        "message": {"role": "user", "content": [image, {"type": "text", "text": "What is this?"}]}});
    let ran = root.import(&[], &[&root.file("image.jsonl", &line(first))]);
    assert_eq!((ran.code, prompts(&root, "s-1")), (Some(0), vec!["What is this?".to_owned()]), "{}", ran.words);
    let mut late: Vec<u8> =
        (0..1000).flat_map(|at| line(json!({"type": "mode", "sessionId": "s-2", "at": at}))).collect();
    late.extend(exchange("s-2", 1, "Late", json!("end_turn")));
    let ran = root.import(&[], &[&root.file("late.jsonl", &late)]);
    assert_eq!((ran.code, prompts(&root, "s-2")), (Some(0), vec!["Late".to_owned()]), "{}", ran.words);
}

/// Goal: an end that was only concluded from the end of the file is taken back when the file goes on. Method: a turn whose
/// answer does not say that it is the last, imported after each of its lines; the record must be that of one import.
#[test]
fn a_turn_whose_end_was_concluded_goes_on_with_its_file() {
    let mut file = exchange("s-1", 1, "Look", Value::Null);
    let at = |second: u32| format!("2026-04-01T08:01:{second:02}.000Z");
    for (second, content) in [
        (10, json!([{"type": "tool_use", "id": "k-1", "name": "ls", "input": {}}])),
        (20, json!([{"type": "text", "text": "Nothing there."}])),
    ] {
        file.extend(line(
            json!({"type": "assistant", "sessionId": "s-1", "uuid": format!("a-{second}"), "timestamp": at(second),
            "message": {"id": format!("m-{second}"), "content": content, "stop_reason": null}}),
        ));
        if second == 10 {
            file.extend(line(json!({"type": "user", "sessionId": "s-1", "uuid": "r-1", "timestamp": at(12),
                "message": {"content": [{"type": "tool_result", "tool_use_id": "k-1", "content": "empty"}]}})));
        }
    }
    let ends: Vec<usize> = memchr::memchr_iter(b'\n', &file).map(|end| end + 1).collect();
    for mask in 0..1u32 << (ends.len() - 1) {
        let (whole, grown) = (Root::new(), Root::new());
        whole.import(&[], &[&whole.file("a.jsonl", &file)]);
        for (at, end) in ends.iter().enumerate() {
            if mask & (1 << at) != 0 || *end == file.len() {
                grown.import(&[], &[&grown.file("a.jsonl", &file[..*end])]);
            }
        }
        let (whole, grown) = (whole.fold("s-1"), grown.fold("s-1"));
        assert_eq!(grown.turns, whole.turns, "{mask:b}");
        let ended: Vec<_> = grown.turns.iter().map(|turn| (turn.status.as_str(), turn.ended_at.as_deref())).collect();
        assert_eq!(ended, [("success", Some("2026-04-01T08:01:20.000000Z"))]);
    }
}
