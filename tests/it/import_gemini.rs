//! Chats of the Gemini command line: messages inside patches, whole documents, going back, sub-agents.

use crate::support::Lab;
use crate::transcripts::{folded, import, turns};
use foldlog::{Importer, Source, SourceFormat, SourceName};
use std::path::Path;
use std::process::Command;

const HEADER: &str = r#""sessionId":"own","projectHash":"ab12","startTime":"2026-06-01T10:00:00.000Z""#;

fn user(id: &str, words: &str) -> String {
    format!(r#"{{"id":"{id}","timestamp":"2026-06-01T10:00:01.000Z","type":"user","content":[{{"text":"{words}"}}]}}"#)
}

fn model(id: &str, words: &str, tokens: &str) -> String {
    let tokens = if tokens.is_empty() { r#""input":100,"output":10,"cached":40,"total":110"# } else { tokens };
    let text = format!(r#""type":"gemini","content":"{words}","tokens":{{{tokens}}},"model":"g-3""#);
    format!(r#"{{"id":"{id}","timestamp":"2026-06-01T10:00:03.000Z",{text}}}"#)
}

fn set(messages: &[String]) -> String {
    format!(r#"{{"$set":{{"messages":[{}],"lastUpdated":"2026-06-01T10:00:03.000Z"}}}}"#, messages.join(","))
}

fn chat(lines: &[String]) -> String {
    format!("{{{HEADER},\"kind\":\"main\"}}\n{}\n", lines.join("\n"))
}

/// Prompt, answer and status of each turn; tokens in and out, and the calls of the model.
#[track_caller]
fn expect(file: &str, expected: &[(&str, &str, &str)], used: [u64; 3]) {
    let (record, summary) = folded(file, SourceFormat::Gemini);
    assert_eq!(turns(&record), expected);
    let spent = summary.totals.spent();
    let calls = summary.totals.model_calls.values().map(|calls| calls.count).sum();
    assert_eq!([spent.input_tokens, spent.output_tokens, calls], used);
    assert!(summary.totals.anomalies.is_empty(), "{:?}", summary.totals.anomalies);
}

#[test]
fn messages_in_a_patch_are_messages() {
    let (first, second) = ([user("u-1", "One"), model("g-1", "1", "")], [user("u-2", "Two"), model("g-2", "2", "")]);
    let both = [("One", "1", "success"), ("Two", "2", "success")];
    expect(&chat(&[set(&first), second.join("\n")]), &both, [200, 20, 2]);
    // Known ids are updates, wherever they stand.
    let all = [&first[..], &second[..]].concat();
    expect(&chat(&[first.join("\n"), set(&all)]), &both, [200, 20, 2]);
    expect(&chat(&[set(&all), all.join("\n"), set(&all)]), &both, [200, 20, 2]);
    let later = [first[0].clone(), model("g-1", "1, I think", "")];
    let updated = [("One", "1, I think", "success"), ("Two", "2", "success")];
    expect(&chat(&[set(&first), second.join("\n"), set(&later)]), &updated, [200, 20, 2]);
    // What makes no message is named, and kept with the patch.
    let odd = r#"{"id":"h-1","type":"hologram","content":"?"}"#.to_owned();
    let counts = import(chat(&[set(&[odd])]).as_bytes(), SourceFormat::Gemini).counts;
    assert_eq!((counts.unknown["hologram"], counts.lines), (1, 2));
}

#[test]
fn a_chat_that_is_one_document_is_read() {
    let messages = format!("[\n    {},\n    {}\n  ]", user("u-1", "One"), model("g-1", "1", ""));
    let header = HEADER.replace(",\"", ",\n  \"");
    for file in [
        format!("{{\n  {header},\n  \"messages\": {messages}\n}}\n"),
        format!("\u{feff}{{\n  {header},\n  \"messages\": {messages}\n}}"),
        format!("{{{HEADER},\"messages\":{}}}", messages.replace('\n', "")),
    ] {
        assert_eq!(SourceFormat::detect(file.as_bytes()), Some(SourceFormat::Gemini));
        expect(&file, &[("One", "1", "success")], [100, 10, 1]);
        let imported = import(file.as_bytes(), SourceFormat::Gemini);
        assert_eq!((imported.counts.lines, imported.counts.mapped, imported.counts.damaged), (1, 1, 0));
        // Read again, it brings nothing.
        let name = SourceName { stem: "session-2026-06-01".into(), ..SourceName::default() };
        let source = Source::identify(file.as_bytes(), &name, None).unwrap();
        assert_eq!((source.session_id.as_str(), source.began.is_some()), ("own", true));
        let mut importer = Importer::new(file.as_bytes(), &source);
        let (lab, id) = (Lab::new(), source.session_id.clone());
        let journal = lab.store.journal(id).unwrap();
        imported.drafts.iter().for_each(|draft| _ = journal.push(draft.clone()).unwrap());
        journal.close().wait().unwrap();
        assert!(importer.resume_behind(lab.store.journal(source.session_id.clone()).unwrap().last_id().unwrap()));
        while let Some(step) = importer.next(true).unwrap() {
            assert_eq!(step.drafts.len(), 0, "{:?}", step.drafts);
        }
    }
    // One that was cut short is kept.
    let cut = format!("{{\n  {header},\n  \"messages\": [\n    {},", user("u-1", "One"));
    let imported = import(cut.as_bytes(), SourceFormat::Gemini);
    assert_eq!((imported.counts.lines, imported.counts.damaged), (1, 1));
    assert!(imported.events().iter().any(|(name, data)| name == "unparsed" && data.contains("One")));
}

#[test]
fn the_doctor_reads_a_chat_that_is_one_document() {
    let directory = tempfile::tempdir().unwrap();
    let header = HEADER.replace(",\"", ",\n  \"");
    let whole = format!("{{\n  {header},\n  \"messages\": [\n    {}\n  ]\n}}\n", user("u-1", "One"));
    for (file, code, words) in [(&*whole, 0, "clean"), (&whole[..whole.len() - 9], 3, "broken_document")] {
        let path = directory.path().join("session-1.json");
        std::fs::write(&path, file).unwrap();
        let doctor = Command::new(env!("CARGO_BIN_EXE_foldlog")).arg("doctor").arg(&path).output().unwrap();
        let out = String::from_utf8(doctor.stdout).unwrap();
        assert_eq!(doctor.status.code(), Some(code), "{out}");
        assert!(out.contains(words) && !out.contains("not_json"), "{out}");
    }
}

#[test]
fn going_back_drops_what_the_recorder_drops() {
    let one = [user("u-1", "One"), model("g-1", "1", "")].join("\n");
    let two = [user("u-2", "Two"), model("g-2", "2", "")].join("\n");
    let three = [user("u-3", "Three"), model("g-3", "3", "")].join("\n");
    let back = |id: &str| format!(r#"{{"$rewindTo":"{id}"}}"#);
    let after = |id: &str| chat(&[one.clone(), two.clone(), back(id), three.clone()]);
    let (first, last) = (("One", "1", "success"), ("Three", "3", "success"));
    expect(&after("u-2"), &[first, last], [300, 30, 3]);
    // To an answer: the turns after it. Its own prompt stays, and the answer with it.
    expect(&after("g-1"), &[first, last], [300, 30, 3]);
    expect(&after("u-1"), &[last], [300, 30, 3]);
    // To what is not there: everything.
    expect(&after("nowhere"), &[last], [300, 30, 3]);
    // What comes again after it was dropped is new.
    expect(&chat(&[one.clone(), back("u-1"), one.clone()]), &[first], [200, 20, 2]);
}

#[test]
fn a_sub_agents_chat_lies_in_the_folder_of_its_parent() {
    let head = format!("{{{HEADER},\"kind\":\"subagent\"}}\n{}\n", user("u-1", "Look"));
    let source = |path: &str| Source::identify(head.as_bytes(), &SourceName::of(Path::new(path)), None).unwrap();
    assert_eq!(source("/home/tmp/ab12/chats/parent-1/own.jsonl").parent.as_deref(), Some("parent-1"));
    assert_eq!(source("/home/tmp/ab12/chats/own.jsonl").parent, None);
    let main = head.replace("subagent", "main");
    let name = SourceName::of(Path::new("/home/tmp/ab12/chats/parent-1/own.jsonl"));
    assert_eq!(Source::identify(main.as_bytes(), &name, None).unwrap().parent, None);
}

#[test]
fn tokens_of_thoughts_and_tools_are_output_and_input() {
    let used = |tokens: &str| {
        let file = chat(&[user("u-1", "One"), model("g-1", "1", tokens)]);
        let spent = folded(&file, SourceFormat::Gemini).1.totals.spent();
        [spent.input_tokens, spent.output_tokens, spent.reasoning_output_tokens, spent.cache_read_input_tokens]
    };
    assert_eq!(used(r#""input":100,"output":10,"cached":40,"thoughts":7,"tool":3,"total":120"#), [103, 17, 7, 40]);
    assert_eq!(used(r#""input":100,"output":10,"cached":40,"thoughts":7,"tool":0,"total":117"#), [100, 17, 7, 40]);
    assert_eq!(used(r#""input":100,"output":10,"thoughts":7,"total":110"#), [100, 10, 7, 0]);
    assert_eq!(used(r#""input":100,"output":10,"thoughts":7"#), [100, 17, 7, 0]);
}
