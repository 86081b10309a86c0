//! What headers and the last entry say of tokens and costs, and where a forked journal comes from: counted on from header to
//! header, through rolled-over segments, kills, openings and compactions.

use crate::support::{Files, ID, Lab, SUFFIX, lines, seal, segment, segments};
use foldlog::{JournalOptions, ModelCallEnded, Spending, TextDelta, TurnStarted, Usage};
use serde_json::{Value, json};

fn head(files: &Files, name: &str) -> Value {
    serde_json::from_slice(lines(&files[name])[0].1).unwrap()
}

fn spent(files: &Files, name: &str) -> Value {
    head(files, name).get("spent").cloned().unwrap_or_default()
}

fn call(number: u64) -> ModelCallEnded<'static> {
    let usage = Usage { input_tokens: Some(number), output_tokens: Some(1), ..Usage::default() };
    ModelCallEnded::new("t", format!("m-{number}")).usage(usage)
}

/// Goal: each header has the sums of what came before it, and the close of everything. Method: an opening of many segments
/// that is killed, and one that counts on.
#[test]
fn headers_count_what_model_calls_used() {
    let lab = Lab::new();
    let options = || JournalOptions::default().segment_bytes(300);
    let journal = lab.store.journal_with(ID, options()).unwrap();
    journal.append(TurnStarted::new("t", "p")).unwrap().wait().unwrap();
    for number in 1..=6 {
        let priced = call(number).cost_usd_micros(Some(10).filter(|_| number != 4));
        journal.append(priced).unwrap().wait().unwrap();
    }
    // A second end counts again, and what was rewound stays.
    journal.append(call(6)).unwrap().wait().unwrap();
    journal.append(foldlog::TurnsRewound::new("t")).unwrap().wait().unwrap();
    drop(journal);
    let files = lab.files();
    let names = segments(&files);
    assert!(names.len() > 3 && spent(&files, &names[0]).is_null(), "{names:?}");
    for name in &names {
        let before = head(&files, name)["first_seq"].as_u64().unwrap();
        // The turn has number 1, the call n has n + 1, and the second end of the sixth has 8.
        let numbers: Vec<u64> = (2..before.min(9)).map(|seq| (seq - 1).min(6)).collect();
        let (calls, input) = (numbers.len() as u64, numbers.iter().sum::<u64>());
        if calls > 0 {
            let unpriced = u64::from(before > 5) + u64::from(before > 8);
            let mut expected =
                json!({"calls": calls, "unpriced_calls": unpriced, "input_tokens": input, "output_tokens": calls});
            expected["cost_usd_micros"] = (10 * (calls - unpriced)).into();
            assert_eq!(spent(&files, name), expected, "{name}");
        }
    }
    let journal = lab.store.journal_with(ID, options()).unwrap();
    journal.append(call(100)).unwrap().wait().unwrap();
    journal.close().wait().unwrap();
    let files = lab.files();
    let last = segments(&files).pop().unwrap();
    let closed: Value = serde_json::from_slice(lines(&files[&last]).pop().unwrap().1).unwrap();
    let expected = json!({
        "calls": 8, "unpriced_calls": 3, "input_tokens": 127, "output_tokens": 8, "cost_usd_micros": 50
    });
    assert_eq!((&closed["type"], &closed["data"]["spent"]), (&json!("journal_closed"), &expected));
    let decoded: Spending = serde_json::from_value(closed["data"]["spent"].clone()).unwrap();
    assert_eq!((decoded.calls, decoded.cache_read_input_tokens), (8, None));
}

#[test]
fn a_compaction_keeps_the_sums_of_its_first_header() {
    let lab = Lab::new();
    let journal = lab.store.journal_with(ID, JournalOptions::default().segment_bytes(300)).unwrap();
    for number in 1..=8 {
        journal.append(call(number)).unwrap().wait().unwrap();
    }
    journal.append(TextDelta::new("t", "x")).unwrap().wait().unwrap();
    journal.close().wait().unwrap();
    lab.store.compact(ID).unwrap();
    let files = lab.files();
    let names = segments(&files);
    assert!(head(&files, &names[0]).get("compacted").is_some(), "{names:?}");
    assert!(spent(&files, &names[0]).is_null());
    for name in &names[1..] {
        let calls = head(&files, name)["first_seq"].as_u64().unwrap() - 1;
        assert_eq!(spent(&files, name)["calls"], calls.min(8), "{name}");
    }
}

/// Goal: a forked journal stays one. Method: a header with `fork` in it, then two more openings.
#[test]
fn every_segment_of_a_forked_journal_says_where_it_came_from() {
    let lab = Lab::new();
    drop(lab.open());
    lab.append_one();
    let mut files = lab.files();
    let fork =
        json!({"journal": "0".repeat(32), "session_id": "s-0", "epoch_id": "1".repeat(32), "seq": 7, "turn_id": "t"});
    let newest = segments(&files).pop().unwrap();
    let whole = String::from_utf8(files[&newest].clone()).unwrap();
    let (header, rest) = whole.split_once('\n').unwrap();
    let body = format!("{},\"fork\":{fork}", &header[..header.len() - SUFFIX]);
    files.insert(newest, [&seal(&body)[..], rest.as_bytes()].concat());
    lab.put(&files);
    for _ in 0..2 {
        let journal = lab.store.journal_with(ID, JournalOptions::default().segment_bytes(300)).unwrap();
        for number in 0..4 {
            journal.append(call(number)).unwrap().wait().unwrap();
        }
        journal.close().wait().unwrap();
    }
    let files = lab.files();
    let names = segments(&files);
    assert!(names.len() > 3 && names.contains(&segment(1)));
    for name in names {
        assert_eq!(head(&files, &name)["fork"], fork, "{name}");
    }
}
