//! Folding: whatever events come in whatever order, every fold and every export comes to an end, twice the same, and
//! stopping anywhere to go on later changes nothing.

use super::input::Input;
use crate::support::{Files, ID, Lab, lines, reference, seal, segment};
use foldlog::{EVENT_TYPES, Entry, ExportOptions, Format, Item, Reducer, SessionFold, SummaryFold, TimelineFold};
use std::fmt::Debug;
use std::sync::OnceLock;

/// Few ids, so that everything collides.
const STRINGS: [&str; 12] = [
    "t",
    "u",
    "",
    "a",
    "error",
    "running",
    "interrupted",
    "\\u0000\\ud83d\\ude00",
    "```<script>",
    "é",
    "2026-01-01",
    "s",
];
const VALUES: [&str; 12] = [
    "null",
    "{}",
    "[]",
    "-1",
    "1e300",
    "18446744073709551616",
    "0.1",
    "true",
    r#""\ud800""#,
    r#"{"a":null}"#,
    r#"[{"call_id":"a","tool_name":"w","status":"running"},{"call_id":"a","tool_name":""}]"#,
    r#"{"input_tokens":18446744073709551615,"turn_id":"t","call_id":"a"}"#,
];
const MEMBERS: [&str; 32] = [
    "turn_id",
    "call_id",
    "model_call_id",
    "tool_name",
    "text",
    "to_agent",
    "status",
    "error",
    "metadata",
    "result",
    "arguments",
    "session_id",
    "usage",
    "duration_ms",
    "tool_calls",
    "prompt",
    "from_turn_id",
    "name",
    "value",
    "reason",
    "epoch",
    "after",
    "parent",
    "created_at",
    "cost_usd_micros",
    "count",
    "first_seq",
    "last_seq",
    "response_content",
    "timestamp",
    "started_at",
    "reasoning",
];
/// How many of them nearly every type needs.
const NEEDED: usize = 6;

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut file = header().to_vec();
    let mut seq = 0;
    while !input.is_empty() && seq < 200 {
        seq += 1 + u64::from(input.byte() == 255); // sometimes one is missing
        let line = format!(
            r#"{{"seq":{seq},"synced":0,"time":"20{:02}-01-01T00:00:{:02}.000000Z","type":"{}","data":{}"#,
            input.below(100),
            input.below(60),
            type_name(&mut input),
            data(&mut input)
        );
        file.extend(seal(&line));
    }
    let lab = Lab::with(&Files::from([(segment(1), file)]));
    let reader = lab.store.reader(ID).unwrap();
    let mut entries = Vec::new();
    let mut items = reader.items().unwrap();
    while let Some(item) = items.next().unwrap() {
        match item {
            Item::Entry(entry) => entries.push(entry.into_owned()),
            Item::Gap(_) => {}
            other => panic!("{other:?}"),
        }
    }
    check(&SessionFold::new(), &entries);
    check(&SummaryFold::new(), &entries);
    check(&TimelineFold::new(), &entries);
    let record = serde_json::to_string(&reader.fold().unwrap()).unwrap();
    let read: foldlog::SessionRecord = serde_json::from_str(&record).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), record, "a record that is read back is another one");
    for format in Format::all() {
        let options = ExportOptions::default().content(true).redact(bytes.len().is_multiple_of(2));
        let (mut once, mut twice) = (Vec::new(), Vec::new());
        reader.export(format, &options, &mut once).unwrap();
        reader.export(format, &options, &mut twice).unwrap();
        assert_eq!(once, twice, "{}", format.name());
        assert!(std::str::from_utf8(&once).is_ok(), "{}", format.name());
    }
}

/// Twice the same; the same wherever it stops to go on later; the same if an entry is seen twice.
fn check<R>(empty: &R, entries: &[Entry<'static>])
where
    R: Reducer + Clone,
    R::Output: Debug,
{
    let feed = |reducer: &R, entries: &[Entry<'static>]| {
        let mut reducer = reducer.clone();
        entries.iter().for_each(|entry| reducer.entry(entry));
        reducer
    };
    let all = format!("{:?}", feed(empty, entries).finish());
    assert_eq!(format!("{:?}", feed(empty, entries).finish()), all, "not deterministic");
    for split in [0, entries.len() / 3, entries.len() / 2, entries.len().saturating_sub(1)] {
        let prefix = feed(empty, &entries[..split]);
        let _ = prefix.clone().finish(); // looking at it on the way changes nothing
        assert_eq!(format!("{:?}", feed(&prefix, &entries[split..]).finish()), all, "stopped after {split}");
    }
    let twice: Vec<_> = entries.iter().flat_map(|entry| [entry.clone(), entry.clone()]).collect();
    assert_eq!(format!("{:?}", feed(empty, &twice).finish()), all, "seeing an entry twice changed something");
}

fn type_name(input: &mut Input<'_>) -> &'static str {
    EVENT_TYPES.get(input.below(EVENT_TYPES.len() + 2)).copied().unwrap_or("x.y")
}

/// Mostly what the types need, with anything beside it.
fn data(input: &mut Input<'_>) -> String {
    let sound = input.below(8) > 0;
    let mut members: Vec<String> = Vec::new();
    if sound {
        let short = |input: &mut Input<'_>| STRINGS[input.below(4)];
        members.extend(MEMBERS[..NEEDED].iter().map(|name| format!(r#""{name}":"{}""#, short(input))));
        members.push(r#""session_id":"s-1","name":"n","from_turn_id":"t","epoch":2,"after":1,"reason":"r""#.to_owned());
        members.push(r#""first_seq":1,"last_seq":1,"count":1"#.to_owned());
    }
    let (from, most) = if sound { (NEEDED, 4) } else { (0, 8) };
    let mut seen =
        vec!["session_id", "name", "from_turn_id", "epoch", "after", "reason", "first_seq", "last_seq", "count"];
    for _ in 0..input.below(most) {
        let name = MEMBERS[from + input.below(MEMBERS.len() - from)];
        if seen.contains(&name) {
            continue; // a member twice is no event of a known type
        }
        seen.push(name);
        let value = match input.below(2) {
            0 => format!("\"{}\"", input.choose(&STRINGS)),
            _ => (*input.choose(&VALUES)).to_owned(),
        };
        members.push(format!(r#""{name}":{value}"#));
    }
    format!("{{{}}}", members.join(","))
}

pub fn seeds() -> Vec<Vec<u8>> {
    let dice = |seed: usize| (0..400).map(move |at: usize| ((at * 31 + seed * 17) * (at + seed * 7)) as u8).collect();
    (0..12).map(dice).collect()
}

fn header() -> &'static [u8] {
    static HEADER: OnceLock<Vec<u8>> = OnceLock::new();
    HEADER.get_or_init(|| [lines(&reference(1 << 20)[&segment(1)])[0].1, b"\n"].concat())
}
