//! Rollouts of Codex as its versions write them: prompts, answers and usage in other records than the newest version has
//! them, histories that were copied, files that end in the middle.

use crate::import::Root;
use crate::transcripts::{examine, folded, import, turns};
use foldlog::{SourceFormat, Timestamp};

/// A line at so many milliseconds after the header.
fn line(millis: u64, kind: &str, payload: &str) -> String {
    let time = Timestamp::from_micros(1_790_000_000_000_000 + millis as i64 * 1000);
    format!("{{\"timestamp\":\"{time}\",\"type\":\"{kind}\",\"payload\":{payload}}}\n")
}

fn header(more: &str) -> String {
    line(0, "session_meta", &format!(r#"{{"id":"own","cwd":"/srv"{more}}}"#))
}

fn event(millis: u64, payload: &str) -> String {
    line(millis, "event_msg", &format!("{{{payload}}}"))
}

fn item(millis: u64, payload: &str) -> String {
    line(millis, "response_item", &format!("{{{payload}}}"))
}

fn begins(millis: u64, turn: &str) -> String {
    event(millis, &format!(r#""type":"task_started","turn_id":"{turn}""#))
}

fn ends(millis: u64, turn: &str) -> String {
    event(millis, &format!(r#""type":"task_complete","turn_id":"{turn}""#))
}

fn asked(millis: u64, words: &str) -> String {
    event(millis, &format!(r#""type":"user_message","message":"{words}""#))
}

fn message(millis: u64, role: &str, words: &str) -> String {
    let part = if role == "assistant" { "output_text" } else { "input_text" };
    item(millis, &format!(r#""type":"message","role":"{role}","content":[{{"type":"{part}","text":"{words}"}}]"#))
}

fn answered(millis: u64, words: &str) -> String {
    event(millis, &format!(r#""type":"agent_message","message":"{words}""#))
}

fn usage((input, cached, output): (u64, u64, u64)) -> String {
    format!(r#"{{"input_tokens":{input},"cached_input_tokens":{cached},"output_tokens":{output},"total_tokens":0}}"#)
}

fn count(millis: u64, total: (u64, u64, u64), last: (u64, u64, u64)) -> String {
    let info = format!(r#"{{"total_token_usage":{},"last_token_usage":{}}}"#, usage(total), usage(last));
    event(millis, &format!(r#""type":"token_count","info":{info}"#))
}

fn response(millis: u64, id: &str, used: (u64, u64, u64)) -> String {
    line(millis, "token_usage_record", &format!(r#"{{"response_id":"{id}","usage":{}}}"#, usage(used)))
}

const CONTEXT: &str = "<environment_context>\\n<cwd>/srv</cwd>\\n</environment_context>";

/// Prompt, answer and status of each turn; input, cached and output tokens, and the calls of the model.
#[track_caller]
fn expect(lines: &[String], expected: &[(&str, &str, &str)], used: (u64, u64, u64, u64)) {
    let (record, summary) = folded(&lines.concat(), SourceFormat::Codex);
    assert_eq!(turns(&record), expected);
    let spent = summary.totals.spent();
    let calls = summary.totals.model_calls.values().map(|calls| calls.count).sum();
    assert_eq!((spent.input_tokens, spent.cache_read_input_tokens, spent.output_tokens, calls), used);
    assert!(summary.totals.anomalies.is_empty(), "{:?}", summary.totals.anomalies);
}

#[test]
fn a_prompt_that_is_a_message_only_begins_its_turn() {
    let injected = [header(""), begins(1000, "t-1"), message(1001, "user", CONTEXT)].concat();
    let lines = [
        injected,
        message(1002, "user", "Add them up"),
        message(3000, "assistant", "It is seven"),
        message(4000, "user", "Twice, please"),
        message(6000, "assistant", ", and fourteen"),
        ends(7000, "t-1"),
        begins(9000, "t-2"),
        message(9001, "user", "Thanks"),
        ends(9500, "t-2"),
    ];
    let turns = [("Add them up", "It is seven, and fourteen", "success"), ("Thanks", "", "success")];
    expect(&lines, &turns, (0, 0, 0, 1));
    // What was said while the turn was at work is there, in the turn.
    let said = |(name, data): &(String, String)| name == "user_message" && data.contains("Twice, please");
    assert!(import(lines.concat().as_bytes(), SourceFormat::Codex).events().iter().any(said));
}

#[test]
fn a_message_without_its_kind_is_a_message() {
    let part = |role: &str, words: &str| format!(r#""role":"{role}","content":[{{"type":"text","text":"{words}"}}]"#);
    let lines = [header(""), item(1000, &part("user", "Go")), item(2000, &part("assistant", "Gone"))];
    expect(&lines, &[("Go", "Gone", "success")], (0, 0, 0, 1));
}

#[test]
fn a_prompt_that_is_both_counts_once_in_either_order() {
    for swapped in [false, true] {
        for announced in [false, true] {
            let mut both = [message(1002, "user", "Go"), asked(1002, "Go")];
            if swapped {
                both.reverse();
            }
            let begun = if announced { begins(1000, "t-1") } else { String::new() };
            let ended = if announced { ends(3001, "t-1") } else { String::new() };
            let lines = [
                header(""),
                begun,
                message(1001, "user", CONTEXT),
                both.concat(),
                message(3000, "assistant", "Gone"),
                ended,
                asked(5000, "And back"),
                message(6000, "assistant", "Here"),
            ];
            expect(&lines, &[("Go", "Gone", "success"), ("And back", "Here", "success")], (0, 0, 0, 2));
        }
    }
}

#[test]
fn what_is_said_while_a_turn_is_at_work_belongs_to_it() {
    let lines = [
        header(""),
        begins(1000, "t-1"),
        asked(1001, "Go"),
        item(2000, r#""type":"function_call","name":"ls","arguments":"{}","call_id":"c-1""#),
        asked(2500, "Not there"),
        message(2500, "user", "Not there"),
        item(3000, r#""type":"function_call_output","call_id":"c-1","output":"a""#),
        message(4000, "assistant", "All right"),
        ends(5000, "t-1"),
    ];
    expect(&lines, &[("Go", "All right", "success")], (0, 0, 0, 1));
    let events = import(lines.concat().as_bytes(), SourceFormat::Codex).events();
    assert_eq!(events.iter().filter(|(name, _)| name == "user_message").count(), 1);
}

#[test]
fn an_answer_that_is_an_event_only_is_the_answer() {
    let lines = [header(""), asked(1000, "First"), answered(3000, "One"), asked(4000, "Second"), answered(6000, "Two")];
    expect(&lines, &[("First", "One", "success"), ("Second", "Two", "success")], (0, 0, 0, 2));
    // Both kinds, in either order: once.
    for mut both in [[answered(3000, "One"), message(3000, "assistant", "One")]] {
        for _ in 0..2 {
            let lines = [header(""), begins(999, "t-1"), asked(1000, "First"), both.concat(), ends(4000, "t-1")];
            expect(&lines, &[("First", "One", "success")], (0, 0, 0, 1));
            both.reverse();
        }
    }
    // The same words again are said again.
    let twice = [message(3000, "assistant", "One"), answered(3000, "One")].concat();
    let lines = [header(""), begins(999, "t-1"), asked(1000, "First"), twice.clone(), twice, ends(4000, "t-1")];
    expect(&lines, &[("First", "OneOne", "success")], (0, 0, 0, 1));
}

#[test]
fn files_without_envelopes_are_read() {
    let file = r#"{"id":"own","timestamp":"2025-06-01T10:00:00.000Z","instructions":null,"git":{"branch":"main"}}
{"record_type":"state"}
{"type":"message","id":null,"role":"user","content":[{"type":"input_text","text":"What is here?"}]}
{"type":"reasoning","id":"r-1","summary":[{"type":"summary_text","text":"I look"}]}
{"type":"function_call","id":"f-1","name":"shell","arguments":"{\"command\":[\"ls\"]}","call_id":"c-1"}
{"type":"function_call_output","call_id":"c-1","output":"{\"output\":\"a\\n\",\"metadata\":{\"exit_code\":2,\"duration_seconds\":0.25}}"}
{"type":"message","id":"m-1","role":"assistant","content":[{"type":"output_text","text":"One file"}]}
{"record_type":"state"}
{"type":"message","id":null,"role":"user","content":[{"type":"input_text","text":"Only one?"}]}
{"type":"message","id":"m-2","role":"assistant","content":[{"type":"output_text","text":"Only one"}]}
"#;
    assert_eq!(SourceFormat::detect(file.as_bytes()), Some(SourceFormat::Codex));
    assert!(examine(file.as_bytes(), Some(SourceFormat::Codex)).is_empty());
    let (record, _) = folded(file, SourceFormat::Codex);
    assert_eq!(record.session_id.as_str(), "own");
    assert_eq!(turns(&record), [("What is here?", "One file", "success"), ("Only one?", "Only one", "success")]);
    let call = &record.turns[0].tool_calls[0];
    assert_eq!(
        (&*call.tool_name, call.duration_ms, call.error.as_deref()),
        ("shell", Some(250.0), Some("exit code 2"))
    );
}

#[test]
fn a_file_that_ends_with_a_prompt_has_it() {
    let (head, context) = (header(""), message(1000, "user", CONTEXT));
    for (lines, prompt) in [
        ([head.clone(), begins(1000, "t-1")].concat(), ""),
        ([head.clone(), asked(1000, "Mend it")].concat(), "Mend it"),
        ([head.clone(), context.clone(), message(1000, "user", "Mend it")].concat(), "Mend it"),
        ([head.clone(), begins(999, "t-1"), message(1000, "user", "Mend it")].concat(), "Mend it"),
        ([head.clone(), begins(999, "t-1"), asked(1000, "Mend it")].concat(), "Mend it"),
    ] {
        expect(&[lines], &[(prompt, "", "interrupted")], (0, 0, 0, 0));
    }
    // What was injected begins nothing.
    expect(&[head, context], &[], (0, 0, 0, 0));
}

#[test]
fn a_turn_that_nothing_ends_ends_with_its_last_event() {
    let evening = 8 * 3_600_000;
    let lines = [
        header(""),
        asked(1000, "Morning"),
        message(5000, "assistant", "Good morning"),
        asked(evening, "Evening"),
        message(evening + 5000, "assistant", "Good evening"),
    ];
    let (record, summary) = folded(&lines.concat(), SourceFormat::Codex);
    assert_eq!(turns(&record), [("Morning", "Good morning", "success"), ("Evening", "Good evening", "success")]);
    assert_eq!(record.turns[0].ended_at.as_deref(), Some("2026-09-21T14:13:25.000000Z"));
    assert_eq!(summary.totals.active_micros, 9_000_000);
    // One that was announced and never ended was interrupted when the next one began.
    let lines = [
        header(""),
        begins(1000, "t-1"),
        asked(1001, "Morning"),
        message(5000, "assistant", "I look"),
        begins(evening, "t-2"),
        asked(evening, "Evening"),
        ends(evening + 1000, "t-2"),
    ];
    let (record, summary) = folded(&lines.concat(), SourceFormat::Codex);
    assert_eq!(turns(&record), [("Morning", "I look", "interrupted"), ("Evening", "", "success")]);
    assert_eq!(summary.totals.active_micros, 5_000_000);
}

#[test]
fn usage_counts_once_whichever_record_tells_of_it() {
    let turn = |inner: String| [header(""), begins(1000, "t-1"), asked(1001, "Go"), inner, ends(9000, "t-1")];
    let said = || message(2000, "assistant", "Gone");
    let expected = [("Go", "Gone", "success")];
    // A compaction's call has no item of its own.
    let inner = [said(), count(2001, (100, 60, 5), (100, 60, 5)), count(3000, (900, 760, 25), (800, 700, 20))].concat();
    expect(&turn(inner), &expected, (900, 760, 25, 2));
    // The same totals again are no new call; totals alone tell by how much they grew.
    let total = |used| event(3000, &format!(r#""type":"token_count","info":{{"total_token_usage":{}}}"#, usage(used)));
    let inner = [said(), total((100, 60, 5)), total((100, 60, 5)), total((150, 90, 8))].concat();
    expect(&turn(inner), &expected, (150, 90, 8, 2));
    // Records of responses beside the counts, before and after them, and one that comes again.
    let both = [count(2001, (100, 60, 5), (100, 60, 5)), response(2001, "r-1", (100, 60, 5))];
    for both in [both.concat(), both.iter().rev().cloned().collect::<Vec<_>>().concat()] {
        let again = response(2100, "r-1", (100, 60, 5));
        let compaction = response(3000, "r-2", (800, 700, 20));
        expect(&turn([said(), both, again, compaction].concat()), &expected, (900, 760, 25, 2));
    }
    // Usage before what was said, as older versions wrote it: still one call each.
    let call = |at, id: &str| {
        let (start, end) = (r#""type":"function_call","name":"ls","arguments":"{}","call_id""#, r#""output":"a""#);
        let end = item(at + 1, &format!(r#""type":"function_call_output","call_id":"{id}",{end}"#));
        [item(at, &format!(r#"{start}:"{id}""#)), end].concat()
    };
    let first = [count(2000, (100, 0, 5), (100, 0, 5)), call(2001, "c-1")].concat();
    let second = [count(3000, (300, 0, 9), (200, 0, 4)), call(3001, "c-2")].concat();
    let third = [answered(4000, "Gone"), count(4000, (600, 0, 19), (300, 0, 10)), message(4001, "assistant", "Gone")];
    expect(&turn([first, second, third.concat()].concat()), &expected, (600, 0, 19, 3));
    // Nothing but counters.
    expect(&[header(""), count(2001, (100, 60, 5), (100, 60, 5))], &[("", "", "interrupted")], (100, 60, 5, 1));
}

/// What a parent had, as a fork begins with it, at these times after the fork's header.
fn history(at: [u64; 3]) -> String {
    let parent = line(at[0], "session_meta", r#"{"id":"parent","cwd":"/srv"}"#);
    let first = [asked(at[0], "Old question"), message(at[0], "assistant", "Old answer")].concat();
    let used = count(at[1], (1000, 900, 10), (1000, 900, 10));
    let call = item(at[1], r#""type":"function_call","name":"spawn","arguments":"{}","call_id":"c-1""#);
    [parent, begins(at[0], "t-1"), first, used, ends(at[1], "t-1"), begins(at[2], "t-2"), asked(at[2], "More"), call]
        .concat()
}

#[test]
fn a_copied_history_is_not_the_forks_own_work() {
    let fork = r#","forked_from_id":"parent""#;
    let spawned = r#","source":{"subagent":{"thread_spawn":{"parent_thread_id":"parent"}}}"#;
    let own = |at: u64| {
        let output = item(at, r#""type":"function_call_output","call_id":"c-1","output":"you are the copy""#);
        let work = [message(at + 2000, "assistant", "New answer"), count(at + 2001, (1500, 1300, 17), (500, 400, 7))];
        [begins(at, "t-3"), asked(at, "New question"), output, work.concat(), ends(at + 3000, "t-3")].concat()
    };
    let turns = [("New question", "New answer", "success")];
    for more in [fork, spawned] {
        // With the times of the copying, and right behind it the fork's own beginning.
        for begins in [3, 700, 90_000] {
            expect(&[header(more), history([0, 1, 2]), own(begins)], &turns, (500, 400, 7, 1));
        }
    }
    // With the old times: those of the header stand for them, which is later.
    let late = history([0, 4000, 20_000]);
    let meta = line(60_000, "session_meta", &format!(r#"{{"id":"own"{fork}}}"#));
    expect(&[meta, late, own(61_000)], &turns, (500, 400, 7, 1));
    // A fork without work of its own is empty; one that copies nothing has all of its work.
    expect(&[header(fork), history([0, 1, 2])], &[], (0, 0, 0, 0));
    let lines =
        [header(fork), begins(10, "t-1"), asked(11, "Alone"), message(900, "assistant", "Yes"), ends(950, "t-1")];
    expect(&lines, &[("Alone", "Yes", "success")], (0, 0, 0, 1));
}

#[test]
fn a_numbered_history_ends_at_the_number_that_the_header_names() {
    let number = |lines: String, from: usize| -> String {
        let numbered = lines.lines().enumerate();
        numbered.map(|(at, line)| format!("{{\"ordinal\":{},{}\n", from + at, &line[1..])).collect()
    };
    let copied = number(history([0, 1, 2]), 1);
    let more =
        format!(r#","forked_from_id":"parent","subagent_history_start_ordinal":"{}""#, copied.lines().count() + 1);
    let own = [begins(3, "t-3"), asked(4, "New question"), message(5, "assistant", "New answer"), ends(6, "t-3")];
    let own = number(own.concat(), copied.lines().count() + 1);
    expect(&[header(&more), copied, own], &[("New question", "New answer", "success")], (0, 0, 0, 1));
}

/// Goal: a turn begins once, wherever the file ended or was still for a moment. Method: a rollout whose turns are announced
/// before their prompts, imported up to each of its lines and then whole, and once read with a pause after each line.
#[test]
fn a_turn_that_was_announced_begins_once_whatever_comes_between() {
    let file = [
        header(""),
        begins(1, "t-1"),
        message(2, "user", CONTEXT),
        message(3, "user", "Look"),
        asked(4, "Look"),
        answered(5, "Seen."),
        ends(6, "t-1"),
        begins(7, "t-2"),
        line(8, "turn_context", r#"{"model":"m-1"}"#),
        asked(9, "Again"),
        ends(10, "t-2"),
    ];
    let totals = |root: &Root| root.store.reader("own").unwrap().reduce(foldlog::SummaryFold::new()).unwrap().0.totals;
    let whole = Root::new();
    whole.import(&[], &[&whole.file("a.jsonl", file.concat().as_bytes())]);
    assert_eq!(whole.fold("own").turns.len(), 2);
    for cut in 1..file.len() {
        let grown = Root::new();
        for part in [&file[..cut], &file[..]] {
            grown.import(&[], &[&grown.file("a.jsonl", part.concat().as_bytes())]);
        }
        assert_eq!(grown.fold("own").turns, whole.fold("own").turns, "cut after {cut} lines");
        assert_eq!(totals(&grown).anomalies, totals(&whole).anomalies, "cut after {cut} lines");
    }
    let bytes = file.concat();
    let source = crate::transcripts::source(bytes.as_bytes(), Some(SourceFormat::Codex));
    let mut importer = foldlog::Importer::new(bytes.as_bytes(), &source);
    let mut starts = Vec::new();
    while let Some(step) = importer.next(true).unwrap() {
        let drafts = step.drafts.into_iter().chain(importer.settle().drafts);
        starts.extend(drafts.filter(|draft| draft.type_name() == "turn_started").map(|draft| draft.data().to_owned()));
    }
    assert_eq!(starts.len(), 2, "{starts:?}");
    assert!(starts[0].contains("Look") && starts[1].contains("Again"), "{starts:?}");
}

/// A prompt that came as a message when the file ended, and as an event after that, begins one turn.
#[test]
fn a_prompt_that_comes_again_as_an_event_begins_one_turn_wherever_the_file_ended() {
    let file = [header(""), message(1, "user", "Look"), asked(2, "Look"), answered(3, "Seen.")];
    let whole = Root::new();
    whole.import(&[], &[&whole.file("a.jsonl", file.concat().as_bytes())]);
    for cut in 1..file.len() {
        let grown = Root::new();
        for part in [&file[..cut], &file[..]] {
            grown.import(&[], &[&grown.file("a.jsonl", part.concat().as_bytes())]);
        }
        assert_eq!(grown.fold("own").turns, whole.fold("own").turns, "cut after {cut} lines");
    }
}
