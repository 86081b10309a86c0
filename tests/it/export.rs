//! Sessions in other formats: golden files, what must hold for any content, and the command.
//!
//! The golden session has two turns, of which one is unfinished, and hostile content wherever content can stand. To write
//! the golden files anew, set `FOLDLOG_UPDATE_GOLDEN` and look at the difference.

use crate::support::{Files, Lab, seal, segment};
use foldlog::{Draft, ExportOptions, Exported, Format, SessionRecord, Store, TextDelta, Timestamp, TurnStarted};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const HOSTILE: &str = "</script><img src=x onerror=alert(1)>";
/// Stands for the random id of the journal.
const JOURNAL: &str = "00112233445566778899aabbccddeeff";

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/export").join(name)
}

/// The events of the golden session.
fn events() -> Vec<Draft> {
    let text = fs::read_to_string(golden("session.events.jsonl")).unwrap();
    let draft = |line: &str| {
        let event: BTreeMap<String, Box<serde_json::value::RawValue>> = serde_json::from_str(line).unwrap();
        let text = |name: &str| event.get(name).map(|raw| serde_json::from_str::<String>(raw.get()).unwrap());
        let time = Timestamp::parse_rfc3339(&text("time").unwrap()).unwrap();
        let draft = Draft::from_json(&text("type").unwrap(), event["data"].get()).unwrap().time(time);
        match text("id") {
            Some(id) => draft.id(id),
            None => draft,
        }
    };
    text.lines().map(draft).collect()
}

/// A root with the golden session, as a killed process left it, under a journal id that is always the same.
struct Root {
    dir: tempfile::TempDir,
    store: Store,
}

impl Root {
    fn new() -> Root {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        Root { dir, store }
    }

    fn golden() -> Root {
        let root = Root::new();
        let journal = root.store.journal("golden").unwrap();
        for event in events() {
            journal.append(event).unwrap().wait().unwrap();
        }
        drop(journal); // a close would bear the time of now
        let path = root.segment();
        let text = fs::read_to_string(&path).unwrap();
        let (header, lines) = text.split_once('\n').unwrap();
        let id = header.split("\"journal\":\"").nth(1).unwrap().split('"').next().unwrap();
        let body = header[..header.len() - crate::support::SUFFIX].replace(id, JOURNAL);
        fs::write(&path, [&seal(&body)[..], lines.as_bytes()].concat()).unwrap();
        root
    }

    fn segment(&self) -> PathBuf {
        self.dir.path().join("golden/00000001.jsonl")
    }

    /// Rots one letter of the entry that holds this text.
    fn rot(&self, text: &str) {
        let whole = fs::read_to_string(self.segment()).unwrap();
        let at = whole.find(text).unwrap();
        let mut bytes = whole.into_bytes();
        bytes[at] ^= 1;
        fs::write(self.segment(), bytes).unwrap();
    }

    fn export(&self, format: &str, options: &ExportOptions) -> (String, Exported) {
        export(&self.store, "golden", format, options)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_foldlog"));
        command.arg("--root").arg(self.dir.path()).args(args).stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        Ran::from(self.command(args).output().unwrap())
    }

    fn record(&self, session: &str, input: &str) -> Ran {
        let mut command = self.command(&["record", session]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Ran::from(child.wait_with_output().unwrap())
    }
}

fn export(store: &Store, session: &str, format: &str, options: &ExportOptions) -> (String, Exported) {
    let mut out = Vec::new();
    let exported = store.reader(session).unwrap().export(Format::named(format).unwrap(), options, &mut out).unwrap();
    (String::from_utf8(out).unwrap(), exported)
}

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

#[test]
fn every_format_is_as_its_golden_file_has_it() {
    let root = Root::golden();
    for format in Format::all() {
        let pretty = !matches!(format.name(), "jsonl" | "calute");
        let (text, exported) = root.export(format.name(), &ExportOptions::default().content(true).pretty(pretty));
        assert_eq!((exported.turns, exported.turns_in_session, exported.gaps.len()), (2, 2, 0));
        let path = golden(&format!("session.{}", format.name()));
        // The crate's version is no matter of the format.
        let text = text.replace(env!("CARGO_PKG_VERSION"), "VERSION");
        if std::env::var_os("FOLDLOG_UPDATE_GOLDEN").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap();
        assert!(text == expected, "{}: {}", format.name(), first_difference(&text, &expected));
    }
}

fn first_difference(got: &str, expected: &str) -> String {
    let differs = got.lines().zip(expected.lines()).find(|(got, expected)| got != expected);
    format!("{differs:?}")
}

#[test]
fn the_record_is_what_fold_prints() {
    let root = Root::golden();
    let (calute, _) = root.export("calute", &ExportOptions::default());
    assert_eq!(calute, root.run(&["fold", "golden"]).out);
    assert!(calute.contains(r#""limit":18446744073709551616, "ratio":1.0"#), "raw JSON stays token for token");
}

/// Tags that the page has, and nothing else that begins with `<`.
fn tags(page: &str) -> Vec<&str> {
    page.split('<').skip(1).map(|tag| tag.split('>').next().unwrap()).collect()
}

/// Every `<` of a page begins a tag of ours: none of content, and no attribute of content either.
fn assert_only_our_tags(page: &str) {
    const OURS: &str = "html head meta title style body h1 h2 code dl dt dd p b small section div details summary ol ul li a \
        span svg rect pre";
    const ATTRIBUTES: [&str; 17] = [
        "lang",
        "charset",
        "http-equiv",
        "content",
        "name",
        "class",
        "id",
        "dir",
        "href",
        "viewBox",
        "preserveAspectRatio",
        "aria-hidden",
        "x",
        "y",
        "width",
        "height",
        "open",
    ];
    for tag in tags(page) {
        let name = tag.trim_start_matches('/').split(' ').next().unwrap();
        assert!(tag == "!doctype html" || OURS.split(' ').any(|ours| ours == name), "<{tag}>");
        let outside_quotes: String = tag.split('"').step_by(2).collect();
        let attributes =
            outside_quotes.split_whitespace().skip(1).map(|attribute| attribute.split('=').next().unwrap());
        for attribute in attributes.filter(|_| tag != "!doctype html") {
            assert!(ATTRIBUTES.contains(&attribute.trim_end_matches('/')), "<{tag}>: {attribute}");
        }
        for href in tag.split("href=\"").skip(1) {
            assert!(href.starts_with('#'), "<{tag}> leads out of the page");
        }
    }
}

#[test]
fn nothing_hostile_stays_alive_in_a_page() {
    let root = Root::golden();
    let (html, _) = root.export("html", &ExportOptions::default());
    assert_only_our_tags(&html);
    assert!(html.contains("default-src 'none'") && !html.contains("<script"));
    assert!(html.contains("&lt;img src=x onerror=alert(1)&gt;"), "the content is there, and is text");
    for (page, what) in [(html, "HTML"), (root.export("markdown", &ExportOptions::default()).0, "Markdown")] {
        let harmful = |c: char| (c.is_control() && c != '\n' && c != '\t') || matches!(c, '\u{2028}' | '\u{202e}');
        assert!(!page.contains(harmful), "{what} has control characters");
        assert!(page.contains('\u{2407}') && page.contains("\\u{202e}"), "{what} shows them");
    }
}

/// Where Markdown would obey a text: HTML outside of code, a fence that swallows what follows, a quotation that ends.
#[test]
fn prompts_keep_their_markdown_and_lose_their_html() {
    let cases = [
        ("a <b>x</b>", "> a &lt;b>x&lt;/b>"),
        ("`<T>` and ``a`<b>`` and `<i>", "> `<T>` and ``a`<b>`` and `&lt;i>"),
        (r"\`<b>", r"> \`&lt;b>"),
        (r"\\`<b>` \<b>", r"> \\`<b>` \<b>"),
        (r"\\<b>", r"> \\&lt;b>"),
        ("```html\n<b>\n```\n<b>", "> ```html\n> <b>\n> ```\n> &lt;b>"),
        ("- x\n  ```\n<b>", "> - x\n>   ```\n> &lt;b>"),
        ("``` a`b\n<b>", "> ``` a`b\n> &lt;b>"),
        ("~~~\n```\n<b>\n~~~~\n<b>", "> ~~~\n> ```\n> <b>\n> ~~~~\n> &lt;b>"),
        ("```a ``b\n<b>`` `<i>`\n\n`<i>`", "> ```a ``b\n> &lt;b>`` `&lt;i>`\n>\n> `<i>`"),
        ("   ```\nx\n```\n<b>", ">    ```\n> x\n> ```\n> &lt;b>"),
        ("```\n    ```\n```\n<b>", "> ```\n>     ```\n> ```\n> &lt;b>"),
        ("`a | <b>`", "> `a | &lt;b>`"),
        ("# head\n\n```\nopen", "> # head\n>\n> ```\n> open"),
    ];
    for (prompt, expected) in cases {
        let root = Root::new();
        let journal = root.store.journal("s").unwrap();
        journal.append(TurnStarted::new("t", prompt)).unwrap().wait().unwrap();
        let (page, _) = export(&root.store, "s", "markdown", &ExportOptions::default());
        let quoted = page.split("**Prompt**\n\n").nth(1).unwrap();
        assert!(quoted.starts_with(&format!("{expected}\n\n")), "{prompt:?}: {quoted}");
    }
}

#[test]
fn telemetry_has_content_only_where_it_is_asked_for() {
    let root = Root::golden();
    for format in ["otlp", "chrome"] {
        let words = ["Fix the **build**", "Looking at it", "cargo build", "Compiling", "wants", "half"];
        let (without, _) = root.export(format, &ExportOptions::default());
        for word in words {
            assert!(!without.contains(word), "{format} has {word:?}");
        }
        let (with, _) = root.export(format, &ExportOptions::default().content(true));
        assert!(with.contains("Fix the **build**") && with.contains("cargo build") && with.contains("Compiling"));
    }
}

fn spans(otlp: &str) -> Vec<Value> {
    let trace: Value = serde_json::from_str(otlp).unwrap();
    trace["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone()
}

fn attribute<'s>(span: &'s Value, key: &str) -> Option<&'s Value> {
    let attributes = span["attributes"].as_array().unwrap();
    attributes.iter().find(|attribute| attribute["key"] == key).map(|attribute| &attribute["value"])
}

#[test]
fn spans_have_ids_of_their_own_that_stay_and_times_that_make_sense() {
    let root = Root::golden();
    let all = spans(&root.export("otlp", &ExportOptions::default()).0);
    let mut ids: Vec<&str> = all.iter().map(|span| span["spanId"].as_str().unwrap()).collect();
    assert!(all.iter().all(|span| span["traceId"] == JOURNAL));
    for span in &all {
        let nanos = |name: &str| span[name].as_str().unwrap().parse::<u64>().unwrap();
        assert!(nanos("startTimeUnixNano") <= nanos("endTimeUnixNano"), "{span}");
        let parent = span.get("parentSpanId").map(|id| id.as_str().unwrap());
        assert!(parent.is_none_or(|id| ids.contains(&id)), "{span}");
        assert_eq!(parent.is_none(), span["name"] == "session");
    }
    let second = spans(&root.export("otlp", &ExportOptions::default().turns("2".parse().ok())).0);
    for span in &second {
        assert!(ids.contains(&span["spanId"].as_str().unwrap()), "a part of a session has the same spans: {span}");
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all.len());
    let open = all
        .iter()
        .find(|span| attribute(span, "gen_ai.tool.call.id") == Some(&serde_json::json!({"stringValue": "c-3"})));
    let open = open.unwrap();
    assert_eq!(attribute(open, "foldlog.incomplete"), Some(&serde_json::json!({"boolValue": true})));
    assert_eq!(
        (open["endTimeUnixNano"].as_str(), &open["status"]["code"]),
        (Some("1795373112000000000"), &Value::from(2))
    );
}

#[test]
fn a_trace_has_what_a_viewer_needs_and_no_overlap_on_a_track() {
    let root = Root::golden();
    let trace: Value = serde_json::from_str(&root.export("chrome", &ExportOptions::default()).0).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let mut taken: BTreeMap<u64, i64> = BTreeMap::new();
    for event in events {
        for member in ["name", "ph", "ts", "pid", "tid", "args"] {
            assert!(event.get(member).is_some(), "{event}");
        }
        if event["ph"] == "X" {
            let (begin, length) = (event["ts"].as_i64().unwrap(), event["dur"].as_i64().unwrap());
            let end = taken.entry(event["tid"].as_u64().unwrap()).or_insert(i64::MIN);
            assert!(length >= 0 && *end <= begin, "{event}");
            *end = begin + length;
        }
    }
    let unfinished = events.iter().filter(|event| event["args"].get("unfinished").is_some()).count();
    assert_eq!(unfinished, 2, "the second turn and its call");
}

#[test]
fn calls_that_overlap_are_on_tracks_of_their_own() {
    let root = Root::new();
    let journal = root.store.journal("golden").unwrap();
    let at = |event: Draft, second: i64| event.time(Timestamp::from_micros(1_800_000_000_000_000 + second * 1_000_000));
    journal.push(at(TurnStarted::new("t", "all at once").into(), 0)).unwrap();
    for (call, begins) in [("a", 1), ("b", 2), ("c", 3)] {
        journal.push(at(foldlog::ToolCallStarted::new("t", call, "bash").into(), begins)).unwrap();
    }
    for (call, ends) in [("b", 4), ("a", 5), ("c", 6)] {
        journal.push(at(foldlog::ToolCallEnded::new("t", call).into(), ends)).unwrap();
    }
    journal.push(at(foldlog::ToolCallStarted::new("t", "d", "bash").into(), 7)).unwrap();
    journal.close().wait().unwrap();
    let trace: Value = serde_json::from_str(&root.export("chrome", &ExportOptions::default()).0).unwrap();
    let calls = trace["traceEvents"].as_array().unwrap().iter().filter(|event| event["cat"] == "tool_call");
    let tracks: Vec<_> =
        calls.map(|call| (call["args"]["id"].as_str().unwrap(), call["tid"].as_u64().unwrap())).collect();
    assert_eq!(tracks, [("a", 2_000_001), ("b", 2_000_002), ("c", 2_000_003), ("d", 2_000_001)]);
}

/// An id that comes again after a success is another call, one that comes again after a failure is the same call.
#[test]
fn every_try_is_told_and_the_record_is_that_of_the_last() {
    let root = Root::new();
    let journal = root.store.journal("golden").unwrap();
    journal.push(TurnStarted::new("t", "again and again")).unwrap();
    for (result, error) in [("first", None), ("no", Some("it broke")), ("second", None)] {
        journal.push(foldlog::ToolCallStarted::new("t", "c", "bash")).unwrap();
        let ended = foldlog::ToolCallEnded::new("t", "c").result(foldlog::Json::string(result));
        journal.push(if let Some(error) = error { ended.error(error) } else { ended }).unwrap();
    }
    journal.close().wait().unwrap();
    assert_eq!(root.store.get("golden").unwrap().turns[0].tool_calls.len(), 2);
    let told = |span: &Value| {
        let result = attribute(span, "gen_ai.tool.call.result").map(|result| result["stringValue"].clone());
        (attribute(span, "foldlog.status").unwrap()["stringValue"].clone(), result)
    };
    let spans = spans(&root.export("otlp", &ExportOptions::default().content(true)).0);
    let calls: Vec<_> = spans.iter().filter(|span| span["name"] == "execute_tool bash").map(told).collect();
    let text = |text: &str| Value::from(text);
    let expected = [
        (text("success"), Some(text("\"first\""))),
        (text("error"), None),
        (text("success"), Some(text("\"second\""))),
    ];
    assert_eq!(calls, expected);
}

/// A turn that came whole is one entry: its spans share a number, and its calls have no times of their own.
#[test]
fn a_turn_that_came_whole_is_told_whole() {
    let root = Root::new();
    let journal = root.store.journal("golden").unwrap();
    let mut turn = foldlog::TurnRecord::new("t");
    turn.prompt = "all of it".to_owned();
    turn.response_content = Some("the answer".to_owned());
    turn.started_at = "2026-01-01T00:00:00Z".to_owned();
    turn.ended_at = Some("2026-01-01T00:01:00Z".to_owned());
    for (id, result) in [("c", "one"), ("c", "two"), ("d", "three")] {
        let mut call = foldlog::ToolCallRecord::new(id, "bash");
        call.result = foldlog::Json::string(result);
        call.duration_ms = Some(1500.0);
        turn.tool_calls.push(call);
    }
    journal.record_turn(turn).unwrap().wait().unwrap();
    journal.close().wait().unwrap();
    for format in ["markdown", "html", "otlp", "atif", "chrome"] {
        let (page, _) = root.export(format, &ExportOptions::default().content(true));
        for text in ["all of it", "the answer", "one", "two", "three"] {
            assert!(page.contains(text), "{format}: {text}");
        }
    }
    let spans = spans(&root.export("otlp", &ExportOptions::default()).0);
    let ids: std::collections::BTreeSet<&str> = spans.iter().map(|span| span["spanId"].as_str().unwrap()).collect();
    assert_eq!((spans.len(), ids.len()), (5, 5));
    for call in spans.iter().filter(|span| span["name"] == "execute_tool bash") {
        assert_eq!(call["startTimeUnixNano"], "1767225600000000000");
        assert_eq!(call["endTimeUnixNano"], "1767225601500000000");
    }
}

#[test]
fn a_trajectory_numbers_its_steps_and_keeps_agents_fields_to_agents() {
    let root = Root::golden();
    let (text, _) = root.export("atif", &ExportOptions::default());
    let trajectory: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(trajectory["schema_version"], "ATIF-v1.7");
    for (at, step) in trajectory["steps"].as_array().unwrap().iter().enumerate() {
        assert_eq!(step["step_id"], at + 1);
        assert!(step["message"].is_string());
        if step["source"] != "agent" {
            for field in ["model_name", "reasoning_content", "tool_calls", "metrics"] {
                assert!(step.get(field).is_none(), "{step}");
            }
        }
        for call in step["tool_calls"].as_array().into_iter().flatten() {
            assert!(call["arguments"].is_object(), "{call}");
        }
    }
    let empty = Root::new();
    let journal = empty.store.journal("s").unwrap();
    journal.append(foldlog::SessionStarted::new("s")).unwrap().wait().unwrap();
    let (text, _) = export(&empty.store, "s", "atif", &ExportOptions::default());
    let trajectory: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(trajectory["steps"].as_array().unwrap().len(), 1, "no trajectory is empty");
}

/// What is exported as events and recorded again folds into the same record.
#[test]
fn events_make_the_round_trip() {
    let root = Root::golden();
    let journal = root.store.journal("golden").unwrap();
    journal.push(TextDelta::new("t-2", "!")).unwrap();
    journal.close().wait().unwrap();
    let (text, _) = root.export("jsonl", &ExportOptions::default());
    let ran = root.record("again", &text);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let of = |session: &str| -> SessionRecord { root.store.get(session).unwrap() };
    let (mut first, again) = (of("golden"), of("again"));
    first.session_id = again.session_id.clone();
    let (first, again) = (serde_json::to_string_pretty(&first).unwrap(), serde_json::to_string_pretty(&again).unwrap());
    assert!(first == again, "{}", first_difference(&again, &first));
    assert_eq!(export(&root.store, "again", "jsonl", &ExportOptions::default()).0, text, "and comes out the same");
}

#[test]
fn turns_are_chosen_by_their_numbers() {
    let root = Root::new();
    let journal = root.store.journal("golden").unwrap();
    for turn in ["a", "b", "gone", "c", "d"] {
        journal.push(TurnStarted::new(turn, format!("prompt of {turn}"))).unwrap();
        if turn == "gone" {
            journal.push(foldlog::TurnsRewound::new("gone")).unwrap();
        } else {
            journal.push(foldlog::Custom::new(format!("note in {turn}"), foldlog::Json::null())).unwrap();
            journal.push(foldlog::TurnEnded::success(turn)).unwrap();
        }
    }
    journal.close().wait().unwrap();
    let cases: [(&str, &[&str]); 9] = [
        ("2", &["b"]),
        ("2..3", &["b", "c"]),
        ("3..", &["c", "d"]),
        ("..2", &["a", "b"]),
        ("-1", &["d"]),
        ("-2..", &["c", "d"]),
        ("-9..-4", &["a"]),
        ("9..", &[]),
        ("4..99", &["d"]),
    ];
    for (turns, expected) in cases {
        let options = ExportOptions::default().turns(Some(turns.parse().unwrap()));
        let (calute, exported) = root.export("calute", &options);
        assert_eq!((exported.turns, exported.turns_in_session), (expected.len(), 4), "{turns}");
        let (jsonl, _) = root.export("jsonl", &options);
        let (page, _) = root.export("markdown", &options);
        for turn in ["a", "b", "gone", "c", "d"] {
            let wanted = expected.contains(&turn);
            for text in [&calute, &jsonl, &page] {
                assert_eq!(text.contains(&format!("prompt of {turn}")), wanted, "{turns}: {turn} in {text}");
            }
            assert_eq!(jsonl.contains(&format!("note in {turn}")), wanted, "{turns}: {turn}");
        }
        if turns == "-2.." {
            assert!(
                page.contains("## Turn 3 ·") && page.contains("## Turn 4 ·") && page.contains("3 to 4 of 4"),
                "{page}"
            );
        }
    }
    for wrong in ["", "..", "0", "3..2", "a", "1..b", "1-2", "-1..-2"] {
        assert!(wrong.parse::<foldlog::TurnRange>().is_err(), "{wrong:?}");
    }
}

#[test]
fn damage_is_told_where_it_is() {
    let root = Root::golden();
    root.rot("Looking");
    for format in Format::all() {
        let (text, exported) = root.export(format.name(), &ExportOptions::default());
        assert_eq!(exported.gaps.len(), 1, "{}", format.name());
        let said = match format.name() {
            "markdown" | "html" => "Something is missing here:",
            "jsonl" => r#"{"name":"foldlog.gap","value":{"segment":1,"#,
            "otlp" | "atif" | "chrome" => "seq 6 is missing",
            _ => continue, // the record has no place for it
        };
        assert!(text.contains(said), "{}: {text}", format.name());
    }
    let ran = root.run(&["export", "golden", "--format", "markdown"]);
    assert_eq!(ran.code, Some(3));
    assert!(ran.err.contains("seq 6 is missing"), "{}", ran.err);
    let (outside, exported) = root.export("markdown", &ExportOptions::default().turns("2".parse().ok()));
    assert!(!outside.contains("missing here") && exported.gaps.len() == 1, "the other turn is whole");
}

/// A torn end that recovery has cut is told by the recovery, and is no damage.
#[test]
fn what_the_log_explains_is_no_damage() {
    let root = Root::golden();
    let mut bytes = fs::read(root.segment()).unwrap();
    bytes.truncate(bytes.len() - 20);
    fs::write(root.segment(), bytes).unwrap();
    let journal = root.store.journal("golden").unwrap();
    journal.append(TextDelta::new("t-2", "on")).unwrap().wait().unwrap();
    journal.close().wait().unwrap();
    let (page, exported) = root.export("markdown", &ExportOptions::default());
    assert_eq!(exported.gaps.iter().map(|gap| gap.explained).collect::<Vec<_>>(), [true]);
    assert!(page.contains("journal recovered after seq") && !page.contains("missing"), "{page}");
    assert_eq!(root.run(&["export", "golden", "--format", "markdown"]).code, Some(0));
}

/// Letters and digits that look random, put together here so that no scanner takes this file for a leak.
fn noise(length: usize) -> String {
    "a1B2c3D4e5F6g7H8i9J0".chars().cycle().take(length).collect()
}

#[test]
fn f38_secrets_leave_every_format_and_are_counted() {
    let root = Root::golden();
    let secrets =
        [format!("ghp_{}", noise(36)), format!("sk-ant-api03-{}", noise(40)), format!("eyJ{0}.eyJ{0}.{0}", noise(20))];
    let [github, anthropic, jwt] = &secrets;
    let journal = root.store.journal("golden").unwrap();
    let json = |text: String| foldlog::Json::parse(&text).unwrap();
    let metadata: foldlog::Metadata =
        [("k".to_owned(), json(format!("{{\"n\":1e400,\"{github}\":\"{jwt}\"}}")))].into();
    journal.push(TurnStarted::new("t-3", format!("use {github}")).metadata(metadata)).unwrap();
    for piece in anthropic.as_bytes().chunks(7) {
        journal.push(TextDelta::new("t-3", std::str::from_utf8(piece).unwrap())).unwrap();
    }
    let call =
        foldlog::ToolCallStarted::new("t-3", "c", "x").arguments(json(format!("[18446744073709551616, \"{jwt}\"]")));
    journal.push(call).unwrap();
    journal.push(foldlog::ToolCallEnded::new("t-3", "c").error(format!("no {github}"))).unwrap();
    journal.close().wait().unwrap();
    for format in Format::all() {
        for turns in [None, "3".parse().ok()] {
            let options = ExportOptions::default().content(true).redact(true).turns(turns);
            let (text, exported) = root.export(format.name(), &options);
            assert!(!text.contains("a1B2c3D4"), "{}", format.name());
            let counts = [("anthropic_key", 1), ("github_token", 3), ("jwt", 2)];
            assert_eq!(exported.redacted, counts.into(), "{}", format.name());
            assert!(
                text.contains("[REDACTED:github_token]") || text.contains("\\[REDACTED:github"),
                "{}",
                format.name()
            );
        }
        let options = ExportOptions::default().content(true).redact(true).turns("1..2".parse().ok());
        assert_eq!(root.export(format.name(), &options).1.redacted, BTreeMap::new(), "others' secrets do not count");
    }
    let (calute, _) = root.export("calute", &ExportOptions::default().redact(true));
    assert!(calute.contains(r#"{"n":1e400,"[REDACTED:github_token]":"[REDACTED:jwt]"}"#), "{calute}");
    assert!(calute.contains(r#"[18446744073709551616, "[REDACTED:jwt]"]"#), "{calute}");
    let ran = root.run(&["export", "golden", "--format", "calute", "--redact"]);
    assert_eq!(ran.code, Some(0));
    assert_eq!(ran.err, "foldlog: redacted 6 secrets: 1 anthropic_key, 3 github_token, 2 jwt\n");
}

/// Text that a person does not see and a model reads is shown in what is for people, and kept in what is for programs.
#[test]
fn hidden_characters_are_shown_in_pages() {
    let root = Root::new();
    let journal = root.store.journal("golden").unwrap();
    journal.push(TurnStarted::new("t", "look\u{e0072}\u{e006d} here\u{200b}, 👩\u{200d}👩\r\nand\u{fe01}")).unwrap();
    journal.close().wait().unwrap();
    for format in ["markdown", "html"] {
        let (page, _) = root.export(format, &ExportOptions::default());
        assert!(page.contains("u{e0072}") && page.contains("u{200b}") && page.contains("u{fe01}"), "{page}");
        assert!(page.contains("👩\u{200d}👩"), "{page}");
        assert!(!page.contains(['\u{e0072}', '\u{200b}', '\u{fe01}', '\r']), "{page}");
    }
    let (events, _) = root.export("jsonl", &ExportOptions::default());
    assert!(events.contains("look\u{e0072}\u{e006d} here\u{200b}"), "{events}");
    let shown = root.run(&["show", "golden"]).out;
    assert!(shown.contains("look\\u{e0072}\\u{e006d} here\\u{200b}") && !shown.contains('\u{e0072}'), "{shown}");
}

#[test]
fn a_file_appears_whole_and_replaces_none() {
    let root = Root::golden();
    let path = root.dir.path().join("page.html");
    let name = path.to_str().unwrap();
    let ran = root.run(&["export", "golden", "--format", "html", "-o", name]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (Some(0), "", ""));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(&path).unwrap(), root.run(&["export", "golden", "--format", "html"]).out);
    let again = root.run(&["export", "golden", "--format", "calute", "-o", name]);
    assert_eq!(again.code, Some(2));
    assert!(again.err.contains("--force"), "{}", again.err);
    assert!(fs::read_to_string(&path).unwrap().starts_with("<!doctype"));
    assert_eq!(root.run(&["export", "golden", "--format", "calute", "-o", name, "--force"]).code, Some(0));
    assert!(fs::read_to_string(&path).unwrap().starts_with("{\"session_id\""));
    let failed = root.run(&["export", "nope", "--format", "html", "-o", name, "--force"]);
    assert_eq!(failed.code, Some(4));
    let none = root.run(&["export", "golden", "--format", "html", "--turns", "7..", "-o", name, "--force"]);
    assert_eq!((none.code, none.err.contains("there is no turn 7..")), (Some(1), true), "{}", none.err);
    assert!(fs::read_to_string(&path).unwrap().starts_with("{\"session_id\""), "a failure leaves what was there");
    assert_eq!(root.run(&["export", "golden", "--format", "html", "--turns", "7.."]).out, "");
    let directory =
        root.run(&["export", "golden", "--format", "html", "-o", root.dir.path().to_str().unwrap(), "--force"]);
    assert_eq!(directory.code, Some(2), "{}", directory.err);
    let left: Vec<_> = fs::read_dir(root.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".tmp")), "{left:?}");
    assert_eq!(root.run(&["export", "golden", "--format", "calute", "-o", "-"]).out, root.run(&["fold", "golden"]).out);
}

#[test]
fn a_reader_that_goes_away_is_nobodys_fault() {
    let root = Root::golden();
    let journal = root.store.journal("golden").unwrap();
    for _ in 0..300 {
        journal.push(TextDelta::new("t-2", "x".repeat(4096))).unwrap();
    }
    journal.close().wait().unwrap();
    for format in ["jsonl", "html"] {
        let mut child = root.command(&["export", "golden", "--format", format]).stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{format}");
    }
}

fn awkward() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "<",
        ">",
        "&",
        "\"",
        "'",
        "`",
        "```",
        "\n",
        "\n```\n",
        "\\",
        "</pre>",
        "<script>",
        HOSTILE,
        "\u{0}",
        "\u{1b}[2J",
        "\u{2028}",
        "\u{202e}",
        "a",
        " ",
        "é",
        "[x](y)",
        "|",
        "-->",
        "]]>",
        "\r",
        "=\"",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    /// Whatever the content is, wherever it stands: no tag of a page is the content's, and every format comes out.
    #[test]
    fn content_never_becomes_a_tag(texts in prop::collection::vec(awkward(), 12)) {
        let lab = Lab::new();
        let journal = lab.open();
        let text = |at: usize| texts[at].clone();
        let metadata: foldlog::Metadata = [(text(0), foldlog::Json::string(&text(1)))].into();
        let started = TurnStarted::new(text(2), text(3)).agent_id(text(4)).metadata(metadata.clone());
        journal.push(foldlog::SessionStarted::new(crate::support::ID).workspace_id(text(5)).metadata(metadata)).unwrap();
        journal.push(started).unwrap();
        journal.push(TextDelta::new(text(2), text(6))).unwrap();
        journal.push(foldlog::ReasoningDelta::new(text(2), text(7))).unwrap();
        let ended = foldlog::ModelCallEnded::new(text(2), text(8)).model(text(9)).error(text(10)).finish_reason(text(11));
        journal.push(ended).unwrap();
        for id in [8, 9] {
            let call = foldlog::ToolCallStarted::new(text(2), text(id), text(10)).arguments(foldlog::Json::string(&text(11)));
            journal.push(call).unwrap();
            let ended = foldlog::ToolCallEnded::new(text(2), text(id)).result(foldlog::Json::string(&text(6)));
            journal.push(ended.error(text(7)).status(foldlog::ToolCallStatus::from(text(0).as_str()))).unwrap();
        }
        journal.push(foldlog::AgentTransition::new(text(1)).from_agent(text(2)).reason(text(3)).turn_id(text(2))).unwrap();
        journal.push(foldlog::Custom::new(text(4), foldlog::Json::null())).unwrap();
        journal.push(foldlog::TurnEnded::new(text(2)).error(text(5)).response_content(text(9))).unwrap();
        journal.append(TextDelta::new("stray", text(3))).unwrap().wait().unwrap();
        drop(journal);
        for format in Format::all() {
            let options = ExportOptions::default().content(true).redact(true);
            let (page, exported) = export(&lab.store, crate::support::ID, format.name(), &options);
            prop_assert_eq!(exported.turns, 2);
            match format.name() {
                "html" => assert_only_our_tags(&page),
                "markdown" => {}
                "jsonl" => prop_assert!(page.lines().all(|line| serde_json::from_str::<Value>(line).is_ok())),
                _ => prop_assert!(serde_json::from_str::<Value>(&page).is_ok()),
            }
        }
    }
}

/// A damaged journal of any kind is exported as far as it can be read.
#[test]
fn no_damage_stops_an_export() {
    let files = crate::support::reference(4096);
    for (name, bytes) in &files {
        for at in (0..bytes.len()).step_by(97) {
            let mut damaged: Files = files.clone();
            damaged.get_mut(name).unwrap()[at] ^= 0x20;
            let lab = Lab::with(&damaged);
            let options = ExportOptions::default().redact(true);
            let (page, exported) = export(&lab.store, crate::support::ID, "html", &options);
            assert_only_our_tags(&page);
            let unexplained = exported.gaps.iter().filter(|gap| !gap.explained).count();
            assert_eq!(page.matches("Something is missing here:").count(), unexplained, "{name} at {at}");
        }
    }
    assert!(files.contains_key(&segment(1)));
}
