//! The documents say what is true: the bytes of the worked example, the names in the tables, the example run.

use crate::pages::{read, worked_example};
use foldlog::{Draft, EVENT_TYPES, GapKind, Item, Store, Timestamp, TurnStatus};
use std::collections::BTreeMap;
use std::path::Path;

#[test]
fn the_worked_example_reads_as_the_format_page_says() {
    let root = tempfile::tempdir().unwrap();
    let dir = worked_example(root.path());
    assert_eq!(std::fs::metadata(dir.join("00000001.jsonl")).unwrap().len(), 669);
    let reader = Store::open(root.path()).unwrap().reader("s-1").unwrap();
    let mut items = reader.items().unwrap();
    let mut seqs = Vec::new();
    while let Some(item) = items.next().unwrap() {
        if let Item::Entry(entry) = item {
            seqs.push(entry.seq().get());
        }
    }
    assert_eq!(seqs, [1, 2, 5, 6, 7]);
    let report = reader.verify().unwrap();
    assert!(report.clean);
    let gap = report.gaps[0];
    assert_eq!((report.gaps.len(), gap.kind, gap.segment, gap.offset, gap.bytes), (1, GapKind::Torn, 1, 669, 116));
    assert_eq!((gap.first_seq.unwrap().get(), gap.last_seq.unwrap().get(), gap.explained), (3, 4, true));
}

/// Recovery makes the second segment of the example out of the first one and the torn bytes, but for clocks and names.
#[test]
fn recovery_writes_the_worked_example() {
    let root = tempfile::tempdir().unwrap();
    let dir = worked_example(root.path());
    let expected = std::fs::read_to_string(dir.join("00000002.jsonl")).unwrap();
    std::fs::remove_file(dir.join("00000002.jsonl")).unwrap();
    let head = br#"{"seq":3,"synced":2,"time":"2026-11-22T18:45:09.500000Z","type":"text_delta","data":{"turn_id":"t-1","text":"Done: "#;
    let torn = [&head[..], b"\xc3"].concat();
    assert_eq!(torn.len(), 116);
    let first = dir.join("00000001.jsonl");
    let whole = std::fs::read(&first).unwrap();
    std::fs::write(&first, [&whole[..], &torn].concat()).unwrap();

    let journal = Store::open(root.path()).unwrap().journal("s-1").unwrap();
    let ended = foldlog::TurnEnded::new("t-1").status(TurnStatus::Cancelled);
    journal.append(ended).unwrap().wait().unwrap();
    journal.close().wait().unwrap();

    assert_eq!(std::fs::read(&first).unwrap(), whole);
    assert_eq!(std::fs::read(dir.join("00000001.669.torn")).unwrap(), torn);
    let written = std::fs::read_to_string(dir.join("00000002.jsonl")).unwrap();
    let without_clock = |text: &str| -> Vec<BTreeMap<String, serde_json::Value>> {
        let strip = |line: &str| {
            let mut line: BTreeMap<String, serde_json::Value> = serde_json::from_str(line).unwrap();
            line.retain(|name, _| {
                !["time", "created", "pid", "host", "writer", "epoch_id", "crc"].contains(&name.as_str())
            });
            line
        };
        text.lines().map(strip).collect()
    };
    assert_eq!(without_clock(&written), without_clock(&expected));
}

#[test]
fn the_format_page_names_every_event_type_and_kind_of_gap() {
    let format = read("docs/FORMAT.md");
    for name in EVENT_TYPES {
        assert!(format.contains(&format!("`{name}`")), "FORMAT.md does not name {name}");
    }
    let kinds = [GapKind::Corrupt, GapKind::Hole, GapKind::Torn, GapKind::Lost];
    let others = [GapKind::BehindSeal, GapKind::Foreign, GapKind::Missing, GapKind::Duplicate, GapKind::Header];
    for kind in kinds.into_iter().chain(others).chain([GapKind::Unsupported, GapKind::NotJson]) {
        assert!(format.contains(&format!("| `{}` |", kind.as_str())), "FORMAT.md does not name {kind:?}");
    }
}

#[test]
fn the_example_run_folds_into_what_its_story_tells() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let journal = store.journal("demo").unwrap();
    for line in read("docs/examples/coding-session.events.jsonl").lines() {
        let mut event: serde_json::Value = serde_json::from_str(line).unwrap();
        if event["type"] == "session_started" {
            event["data"]["session_id"] = "demo".into(); // as `record` does
        }
        let draft = Draft::from_json(event["type"].as_str().unwrap(), &event["data"].to_string()).unwrap();
        let time = Timestamp::parse_rfc3339(event["time"].as_str().unwrap()).unwrap();
        journal.push(draft.time(time)).unwrap();
    }
    journal.close().wait().unwrap();
    let record = store.get("demo").unwrap();
    let calls: Vec<&str> = record.turns.iter().flat_map(|turn| &turn.tool_calls).map(|c| c.status.as_str()).collect();
    assert_eq!(calls.len(), 8);
    assert_eq!(calls.iter().filter(|status| **status == "error").count(), 1);
    assert_eq!(calls.last(), Some(&"interrupted"));
    assert_eq!(record.turns[1].status, TurnStatus::Interrupted);
    assert_eq!(record.agent_transitions.len(), 2);
    assert!(record.turns[0].response_content.as_ref().unwrap().contains("東京"));
}

#[test]
fn the_changelog_has_this_version() {
    assert!(read("docs/CHANGELOG.md").contains(&format!("\n## {}\n", env!("CARGO_PKG_VERSION"))));
}

/// Goal: every class of failures has a test, or a sentence that says why it cannot happen. Method: the rows of the table.
#[test]
fn every_class_of_field_failures_has_a_test_or_a_reason() {
    let page = read("docs/DESIGN.md");
    let rows: Vec<Vec<&str>> =
        page.lines().filter(|line| line.starts_with("| F")).map(|line| line.split(" | ").collect()).collect();
    for (number, row) in (1..).zip(&rows) {
        assert!(row[0].starts_with(&format!("| F{number:02} ")), "{number}: {row:?}");
        let test = row[2].trim_end_matches(" |").trim_matches('`');
        let (module, test) = test.split_once("::").unwrap_or(("field_failures", test));
        let names: Vec<&str> = row[2].split('`').skip(1).step_by(2).collect();
        assert!(names.len() == 1 || (names.is_empty() && test == "none"), "{row:?}");
        let module = if test.starts_with("f38_") { "export" } else { module };
        let source = || read(&format!("tests/it/{module}.rs"));
        let is_out = ["Cannot happen: ", "Not promised: "].iter().any(|words| row[1].starts_with(words));
        let is_there = if test == "none" { is_out } else { source().contains(&format!("fn {test}()")) };
        assert!(is_there, "{row:?}");
    }
    assert_eq!(rows.len(), 41);
}

/// Goal: a test that a page names is there. Method: every `module::name` between backticks, and every part of the campaign.
#[test]
fn the_tests_that_the_documents_name_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
    let folder = |path: &str| -> String {
        let mut open = vec![root.join(path)];
        let mut all = String::new();
        while let Some(path) = open.pop() {
            match std::fs::read_dir(&path) {
                Ok(entries) => open.extend(entries.map(|entry| entry.unwrap().path())),
                Err(_) => all.push_str(&std::fs::read_to_string(&path).unwrap_or_default()),
            }
        }
        all
    };
    let (campaign, models) =
        (folder("tests/campaign"), folder("tests/model/tests") + &folder("tests/model/parts/tests"));
    for page in ["docs/RELIABILITY.md", "docs/SECURITY.md"] {
        let text = read(page);
        let mut names = 0;
        for name in text.split('`').skip(1).step_by(2) {
            let found = match name.split_once("::") {
                Some((module, test)) if !test.contains(['{', '*', ':']) => {
                    ["it", "system"]
                        .iter()
                        .any(|place| source(&format!("tests/{place}/{module}.rs")).contains(&format!("fn {test}(")))
                        || module == "cli"
                        || module == "shuttle"
                }
                None if name.starts_with("a_") => models.contains(&format!("fn {name}(")),
                None if name.contains('-')
                    && !name.starts_with('-')
                    && name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-') =>
                {
                    campaign.contains(&format!("\"{name}\""))
                }
                _ => continue,
            };
            assert!(found, "{page} names `{name}`, which is not there");
            names += 1;
        }
        assert!(names > 3, "{page} names {names} tests only: is the method right?");
    }
}
