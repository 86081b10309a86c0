//! The bytes of a journal, read by code that shares nothing with the library: own types, own checksum, and Python.
//!
//! A renamed member, a changed order or another spelling of a number turns these red, whatever the library's own
//! decoder thinks of it.

use crate::memory::Memory;
use crate::support::{Files, ID, Lab, crc32, holds, lines, reference, reference_events, seal, segment};
use foldlog::{
    Custom, Draft, EVENT_TYPES, ErrorKind, Event, Json, Store, TextDelta, Timestamp, ToolCallStarted, TurnStarted,
    Unknown,
};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::path::Path;

/// A journal of version 1 with every event type in it, written by a program that is not this one.
const GOLDEN: &[u8] = include_bytes!("data/golden.jsonl");

/// An entry's line, in our own words.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    seq: u64,
    synced: u64,
    time: String,
    #[serde(rename = "type")]
    type_name: String,
    id: Option<String>,
    observed: Option<String>,
    data: Box<RawValue>,
    crc: String,
}

/// The same of a line that a later version may have added members to.
#[derive(Debug, Deserialize)]
struct Envelope {
    seq: u64,
    time: String,
    #[serde(rename = "type")]
    type_name: String,
    id: Option<String>,
    observed: Option<String>,
}

/// A segment's first line, in our own words.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    foldlog: u64,
    journal: String,
    session_id: String,
    segment: u64,
    epoch: u64,
    epoch_id: String,
    first_seq: u64,
    created: String,
    writer: String,
    pid: u32,
    host: String,
    needs: Vec<String>,
    prev: Option<Seal>,
    turns: u64,
    open: Vec<serde_json::Value>,
    last_id: Option<String>,
    errors: u64,
    crc: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seal {
    segment: u64,
    last_seq: u64,
    bytes: u64,
}

/// Records one event and returns its line.
fn line_of(draft: impl Into<Draft>) -> String {
    let lab = Lab::new();
    lab.open().push(draft).unwrap();
    let bytes = lab.files().remove(&segment(1)).unwrap();
    String::from_utf8(lines(&bytes)[1].1.to_vec()).unwrap()
}

/// The data of an entry's line: what stands between `"data":` and the checksum.
fn data_of(line: &str) -> &str {
    let from = line.find(",\"data\":").unwrap() + 8;
    &line[from..line.len() - 18]
}

fn position(line: &str, member: &str) -> usize {
    line.find(&format!("\"{member}\":")).unwrap_or_else(|| panic!("no {member} in {line}"))
}

#[test]
fn every_line_is_what_the_format_says() {
    // Goal: checksum, member order, 27-byte times, rising numbers, no byte that may not be there. Method: our own types
    // over every line of the reference journal.
    let files = reference(4000);
    let mut next = 1;
    for (at, bytes) in (1..).zip(files.iter().filter(|(name, _)| name.ends_with(".jsonl")).map(|(_, bytes)| bytes)) {
        assert_eq!(bytes.last(), Some(&b'\n'));
        for (number, (_, line)) in lines(bytes).into_iter().enumerate() {
            assert!(holds(line));
            assert!(!line.contains(&0));
            let text = std::str::from_utf8(line).unwrap();
            assert!(!text.contains(['\u{2028}', '\u{2029}', '\u{85}', '\r']));
            if number == 0 {
                check_head(text, at, next);
                continue;
            }
            let line: Line = serde_json::from_str(text).unwrap();
            assert_eq!(line.seq, next);
            assert!(line.synced < line.seq);
            assert!((1..=64).contains(&line.type_name.len()));
            assert_eq!((line.time.len(), line.crc.len(), line.observed), (27, 8, None));
            let order = ["seq", "synced", "time", "type", "data", "crc"].map(|member| position(text, member));
            assert!(order.is_sorted(), "{text}");
            assert_eq!(text.matches("{\"seq\":").count(), 1, "{text}");
            let id = line.id.map(|id| format!(",\"id\":\"{id}\"")).unwrap_or_default();
            let body = format!(
                "{{\"seq\":{},\"synced\":{},\"time\":\"{}\",\"type\":\"{}\"{id},\"data\":{}",
                line.seq,
                line.synced,
                line.time,
                line.type_name,
                line.data.get()
            );
            assert_eq!(seal(&body), format!("{text}\n").into_bytes());
            next += 1;
        }
    }
    assert_eq!(next, reference_events().len() as u64 + 2, "all events and the close");
}

fn check_head(text: &str, segment: u64, first_seq: u64) {
    let head: Head = serde_json::from_str(text).unwrap();
    assert!(text.starts_with("{\"foldlog\":1,\"journal\":\""));
    assert_eq!((head.foldlog, head.session_id.as_str(), head.segment, head.epoch), (1, ID, segment, 1));
    assert!(head.epoch_id.len() == 32 && head.epoch_id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
    assert_eq!((head.first_seq, head.created.len(), head.pid), (first_seq, 27, std::process::id()));
    assert!(head.journal.len() == 32 && head.journal.bytes().all(|digit| digit.is_ascii_hexdigit()));
    assert_eq!(head.writer, format!("foldlog/{}", env!("CARGO_PKG_VERSION")));
    assert!(!head.host.is_empty() && head.needs.is_empty() && head.crc.len() == 8);
    assert_eq!(head.prev.is_some(), segment > 1);
    if let Some(prev) = head.prev {
        assert_eq!((prev.segment, prev.last_seq), (segment - 1, first_seq - 1));
        assert!(prev.bytes > 0 && head.last_id.is_some() && head.turns > 0 && head.errors == 0 && head.open.len() < 2);
    }
}

#[test]
fn a_journal_written_by_another_program_is_read_and_every_type_round_trips() {
    // Goal: version 1 stays readable for ever, byte for byte. Method: a stored journal with every type, an unknown
    // member and unknown types; each event is decoded and serialised again.
    let disk = Memory::default();
    disk.set(Path::new("/lab/golden/00000001.jsonl"), GOLDEN);
    let reader = Store::open_on(disk, "/lab").unwrap().reader("golden").unwrap();
    let report = reader.verify().unwrap();
    let stored = lines(GOLDEN);
    assert!(report.clean && report.gaps.is_empty(), "{:?}", report.gaps);
    assert_eq!(report.entries as usize, stored.len() - 1);

    let mut seen: Vec<String> = Vec::new();
    let mut items = reader.items().unwrap();
    while let Some(foldlog::Item::Entry(entry)) = items.next().unwrap() {
        let text = std::str::from_utf8(stored[seen.len() + 1].1).unwrap();
        let mirror: Envelope = serde_json::from_str(text).unwrap();
        assert_eq!(entry.line(), text);
        assert_eq!((entry.seq().get(), entry.type_name()), (mirror.seq, mirror.type_name.as_str()));
        assert_eq!(entry.time().to_string(), mirror.time);
        assert_eq!(entry.observed().map(|time| time.to_string()), mirror.observed);
        assert_eq!(entry.id(), mirror.id.as_deref());
        let event = entry.event().unwrap();
        assert_eq!(event.type_name(), entry.type_name());
        assert_eq!(Draft::from(event).data(), entry.data());
        seen.push(entry.type_name().to_owned());
    }
    for name in EVENT_TYPES {
        assert!(seen.iter().any(|seen| seen == name), "the stored journal has no {name}");
    }
    assert!(seen.iter().any(|seen| seen == "acme.map_shown"));
}

#[test]
fn our_checksum_is_the_one_of_zlib() {
    // Goal: the tests' own checksum is right. Method: the check value that every description of CRC-32 gives.
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
}

#[test]
fn the_callers_time_is_kept_and_the_recorders_stands_beside_it() {
    // Goal: any RFC 3339 time becomes 27 bytes of UTC, with `observed` behind it. Method: offsets, leap years, extremes.
    for (given, written) in [
        ("2024-02-29T23:59:60.5+02:00", "2024-02-29T22:00:00.500000Z"),
        ("1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.999999Z"),
        ("9999-12-31T23:59:59-01:00", "9999-12-31T23:59:59.999999Z"),
        ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000000Z"),
        ("7026-05-05T05:05:05Z", "7026-05-05T05:05:05.000000Z"),
    ] {
        let Some(time) = Timestamp::parse_rfc3339(given) else { panic!("{given} is RFC 3339") };
        let text = line_of(Draft::from(TextDelta::new("t", "x")).time(time).id("\u{2028}\"é"));
        let line: Line = serde_json::from_str(&text).unwrap();
        assert_eq!(line.time.len(), 27);
        if !given.contains(":60") {
            assert_eq!(line.time, written);
        }
        assert_eq!(line.id.as_deref(), Some("\u{2028}\"é"));
        assert_eq!(line.observed.map(|time| time.len()), Some(27));
        let order = ["type", "id", "observed", "data"].map(|member| position(&text, member));
        assert!(order.is_sorted() && !text.contains('\u{2028}'), "{text}");
    }
}

#[test]
fn raw_json_with_line_breaks_is_joined_and_otherwise_kept() {
    // Goal: what callers format over several lines becomes one line, token for token. Method: pretty JSON as data.
    let pretty = "{\n  \"b\": [1,\r\n 2.50],\n\t\"a\": \"x\\n\"\n}";
    let text = line_of(Draft::from_json("acme.x", pretty).unwrap());
    assert_eq!(data_of(&text), "{   \"b\": [1,   2.50], \t\"a\": \"x\\n\" }");
}

#[test]
fn what_is_no_event_is_refused_with_a_reason() {
    // Goal: nothing gets into the log that a reader could not take out. Method: one wrong thing at a time.
    let deep = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    for (type_name, data, word) in [
        ("", "{}", "type"),
        ("a b", "{}", "type"),
        ("é", "{}", "type"),
        (&"x".repeat(65), "{}", "type"),
        ("a.b", "[]", "object"),
        ("a.b", "{", "a.b"),
        ("a.b", "{} {}", "a.b"),
        ("a.b", "", "object"),
        ("turn_started", "{}", "turn_id"),
        ("text_delta", "{\"turn_id\":\"t\",\"text\":\"\\ud83d\"}", "text_delta"),
        ("journal_closed", "{\"reason\":\"x\"}", "recorder"),
        ("events_lost", "{\"reason\":\"x\",\"first_seq\":1,\"last_seq\":1,\"count\":1}", "recorder"),
        ("a.b", &deep(121), "nested"),
        ("a.b", &deep(100_000), "nested"),
    ] {
        let error = Draft::from_json(type_name, data).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{type_name} {error}");
        assert!(error.to_string().contains(word), "{error}");
        assert!(error.to_string().len() < 400, "{error}");
    }
    assert!(Draft::from_json("a.b", &deep(100)).is_ok());
    assert!(Unknown::new("turn_started", Json::empty_object()).is_err());
}

#[test]
fn what_a_header_lists_is_bounded() {
    // Goal: however much is open, and whatever its names take when they are written, a header stays one. Method: many open
    // turns; few, with names of six bytes a byte.
    for (turns, id, listed) in [(1_100, "t".to_owned(), 1_000), (120, "\u{1}".repeat(10_000), 104)] {
        let lab = Lab::new();
        let journal = lab.open();
        for number in 0..turns {
            journal.push(TurnStarted::new(format!("{id}{number:04}"), "")).unwrap();
        }
        drop(journal);
        lab.append_one();
        let bytes = &lab.files()[&segment(2)];
        assert!(lines(bytes)[0].1.len() < 8 << 20);
        let header: serde_json::Value = serde_json::from_slice(lines(bytes)[0].1).unwrap();
        assert_eq!((header["open"].as_array().unwrap().len(), &header["open_truncated"]), (listed, &true.into()));
        assert!(lab.read().is_clean());
        assert_eq!(lab.open().open_turns().len(), listed);
    }
}

#[test]
fn an_event_over_the_limit_is_refused_with_size_and_limit() {
    // Goal: no line is ever longer than readers take. Method: one byte over by the bound, and one that just fits.
    let lab = Lab::new();
    let journal = lab.open();
    let error = journal.append(TextDelta::new("t", "x".repeat(foldlog::MAX_LINE))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().contains(&foldlog::MAX_LINE.to_string()), "{error}");
    let text = "x".repeat(foldlog::MAX_LINE - 400);
    journal.append(TextDelta::new("t", &text)).unwrap().wait().unwrap();
    let error = journal.append(Draft::from(TextDelta::new("t", "x")).id("i".repeat(129))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    drop(journal);
    assert_eq!(lab.read().seqs(), [1]);
}

/// Any JSON text, with every odd thing that JSON allows: repeated keys, huge numbers, escapes, white space.
fn json() -> impl Strategy<Value = String> {
    let string = prop_oneof![
        "[a-z\"\\\\]{0,6}".prop_map(|text| serde_json::to_string(&text).unwrap()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        Just("\"\\ud83d\"".to_owned()),
        Just("\"\u{2028}\u{2029}\u{85}\u{e9}\"".to_owned()),
        Just("\"{\\\"seq\\\":1,\\\"crc\\\":\"".to_owned()),
    ];
    let scalar = prop_oneof![
        string.clone(),
        any::<f64>().prop_filter("JSON has no such number", |n| n.is_finite()).prop_map(|n| format!("{n:?}")),
        any::<i64>().prop_map(|n| n.to_string()),
        "-?[1-9][0-9]{20,40}(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?",
        Just("null".to_owned()),
        Just("{\"seq\":1,\"synced\":0}".to_owned()),
    ];
    let space = "[ \t\n\r]{0,2}";
    scalar.prop_recursive(4, 24, 4, move |inner| {
        let key = prop_oneof![string.clone(), Just("\"seq\"".to_owned()), Just("\"a\"".to_owned())];
        let member = (key, space, inner.clone()).prop_map(|(key, space, value)| format!("{key}{space}:{value}"));
        prop_oneof![
            (space, prop::collection::vec(inner, 0..4)).prop_map(|(space, all)| format!("[{space}{}]", all.join(","))),
            prop::collection::vec(member, 0..4).prop_map(|all| format!("{{{}}}", all.join(","))),
        ]
    })
}

/// What the format does to JSON, done with plain replacement: line breaks between tokens, three escapes, one space.
fn fitted(json: &str) -> String {
    let joined = json.replace(['\n', '\r'], " ");
    let escaped = joined.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029").replace('\u{85}', "\\u0085");
    escaped.replace("{\"seq\":", "{\"seq\" :")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn raw_json_comes_back_byte_for_byte(value in json()) {
        // Goal: arguments, results and values of any kind are what they were, but for the documented space and escapes.
        let raw = Json::parse(&value).unwrap();
        let lab = Lab::new();
        let journal = lab.open();
        journal.push(Custom::new("n", raw.clone())).unwrap();
        journal.push(ToolCallStarted::new("t", "c", "bash").arguments(raw.clone())).unwrap();
        journal.push(Draft::from_json("acme.x", &format!("{{\"v\":{value}}}")).unwrap()).unwrap();
        drop(journal);
        let wanted = fitted(&value);
        let files = lab.files();
        let stored = lines(&files[&segment(1)]);
        prop_assert_eq!(data_of(std::str::from_utf8(stored[1].1).unwrap()), format!("{{\"name\":\"n\",\"value\":{wanted}}}"));
        prop_assert_eq!(data_of(std::str::from_utf8(stored[3].1).unwrap()), format!("{{\"v\":{wanted}}}"));
        let reader = lab.store.reader(ID).unwrap();
        let mut items = reader.items().unwrap();
        let mut values = Vec::new();
        while let Some(foldlog::Item::Entry(entry)) = items.next().unwrap() {
            prop_assert_eq!(entry.line().matches("{\"seq\":").count(), 1);
            match entry.event().unwrap() {
                Event::Custom(custom) => values.push(custom.value.as_str().to_owned()),
                Event::ToolCallStarted(call) => values.push(call.arguments.unwrap().as_str().to_owned()),
                _ => {}
            }
        }
        prop_assert_eq!(values, vec![wanted.clone(), wanted]);
    }

    #[test]
    fn any_text_comes_back(text in any::<String>(), id in "\\PC{0,30}", turn in any::<String>()) {
        // Goal: every string a caller can hold survives, as text and as id. Method: read the event back.
        let lab = Lab::new();
        let event = TextDelta::new(&turn, &text).model_call_id(&id);
        lab.open().push(Draft::from(event.clone()).id(&id)).unwrap();
        let bytes = lab.files().remove(&segment(1)).unwrap();
        prop_assert_eq!(lines(&bytes).len(), 2);
        let reader = lab.store.reader(ID).unwrap();
        let mut items = reader.items().unwrap();
        let Some(foldlog::Item::Entry(entry)) = items.next().unwrap() else { panic!("no entry") };
        prop_assert_eq!(entry.event().unwrap(), Event::TextDelta(event));
        prop_assert_eq!(entry.id(), Some(id.as_str()));
    }
}

#[test]
fn header_strings_are_escaped_like_any_other() {
    // Goal: ids with quotes, line separators and a quoted line stand safely in headers. Method: such a session, with a
    // turn left open under such a name, and a second segment.
    let id = "\u{2028}{\"seq\":1,\"x\"\n";
    let lab = Lab::new();
    let journal = lab.store.journal(id).unwrap();
    journal.push(Draft::from(foldlog::TurnStarted::new(id, "p")).id(id)).unwrap();
    drop(journal);
    let journal = lab.store.journal(id).unwrap();
    assert_eq!((journal.open_turns()[0].turn_id.as_str(), journal.last_id()), (id, Some(id)));
    journal.push(TextDelta::new(id, "x")).unwrap();
    drop(journal);
    let dir = lab.store.path_of(&foldlog::SessionId::new(id).unwrap());
    let files: Files = lab.disk.files(&dir);
    let head = String::from_utf8(lines(&files[&segment(2)])[0].1.to_vec()).unwrap();
    assert!(!head.contains("{\"seq\":") && !head.contains('\u{2028}'), "{head}");
    let head: Head = serde_json::from_str(&head).unwrap();
    assert_eq!((head.session_id.as_str(), head.last_id.as_deref()), (id, Some(id)));
    assert_eq!(head.open[0]["turn_id"].as_str(), Some(id));
}
