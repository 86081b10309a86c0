//! Which values a header's members may have: the table of `docs/FORMAT.md`, section 3, against the program.

use crate::forge::{entry, header_of, members};
use crate::support::{Files, Lab, segment};
use serde_json::{Value, json};

const MOST: u64 = (1 << 53) - 1;

/// Whether the segment 2 with this header has a good one.
fn is_good(header: Vec<u8>) -> bool {
    let files = Files::from([(segment(2), [header, entry(1)].concat())]);
    let reading = Lab::with(&files).read();
    assert_eq!(reading.seqs(), [1], "a bad header costs no entry");
    !reading.kinds().contains(&"header")
}

/// The values that a member may have, and some that it may not have.
fn table() -> Vec<(&'static str, Vec<Value>, Vec<Value>)> {
    let texts = || vec![json!("x"), json!("\u{e9}"), json!("")];
    let no_texts = || vec![json!(null), json!(7), json!(["x"])];
    let numbers = || vec![json!(0), json!(7), json!(MOST)];
    let no_numbers = || vec![json!(null), json!(MOST + 1), json!(-1), json!(1.0), json!("1"), json!(true)];
    let flags = || vec![json!(true), json!(false)];
    let no_flags = || vec![json!(null), json!(1), json!("true")];
    let prev =
        |segment: u64, last_seq: u64, bytes: u64| json!({"segment": segment, "last_seq": last_seq, "bytes": bytes});
    let compacted =
        |through: u64, entries: u64| json!({"through": through, "last_seq": 1, "last_bytes": 300, "entries": entries});
    let epochs = |epoch: Value| {
        let mut compacted = compacted(2, 1);
        compacted["epochs"] = json!([epoch]);
        compacted
    };
    let fork = |seq: u64| json!({"journal": "j", "session_id": "o", "epoch_id": "e", "seq": seq});
    vec![
        ("foldlog", vec![json!(0), json!(1), json!(2), json!(MOST)], no_numbers()),
        ("journal", texts(), no_texts()),
        (
            "session_id",
            vec![json!("x"), json!("x".repeat(300)), json!("\u{0}")],
            [no_texts(), vec![json!("")]].concat(),
        ),
        ("epoch", vec![json!(0), json!(2)], [no_numbers(), vec![json!(3)]].concat()),
        ("epoch_id", [texts(), vec![json!(null)]].concat(), vec![json!(7)]),
        ("first_seq", numbers(), no_numbers()),
        (
            "created",
            vec![
                json!("2026-11-22T18:45:00.000000Z"),
                json!("2026-11-22T18:45:00Z"),
                json!("2026-11-22T18:45:00+01:00"),
            ],
            vec![json!(null), json!("yesterday"), json!("2026-02-31T00:00:00.000000Z"), json!(0)],
        ),
        ("writer", texts(), no_texts()),
        ("pid", [numbers(), vec![json!(1_u64 << 32)]].concat(), no_numbers()),
        ("host", texts(), no_texts()),
        ("needs", vec![json!([]), json!(["x"])], vec![json!(null), json!("x"), json!([7])]),
        (
            "prev",
            vec![
                json!(null),
                prev(1, 0, 0),
                prev(1, 0, MOST),
                json!({"segment": 1, "last_seq": 0, "bytes": 0, "x": -1}),
            ],
            vec![
                prev(0, 0, 0),
                prev(2, 0, 0),
                prev(1, 1, 0),
                prev(1, 0, MOST + 1),
                json!({}),
                json!([]),
                json!([1, 0, 0]),
                json!({"segment": 1, "last_seq": 0}),
            ],
        ),
        ("turns", numbers(), no_numbers()),
        ("errors", numbers(), no_numbers()),
        (
            "open",
            vec![json!([]), json!([{"turn_id": "t", "seq": 1}]), json!([{"turn_id": "t", "seq": 1, "calls": []}])],
            vec![
                json!(null),
                json!([5]),
                json!([["t", 1, []]]),
                json!([{"turn_id": "t", "seq": 1, "calls": [["c", "n", 1]]}]),
                json!([{"turn_id": "t"}]),
                json!([{"turn_id": "t", "seq": MOST + 1, "calls": []}]),
            ],
        ),
        ("open_truncated", flags(), no_flags()),
        ("last_id", vec![json!(null), json!("x"), json!("x".repeat(500))], vec![json!(7)]),
        (
            "spent",
            vec![json!(null), json!({"calls": 1}), json!({"calls": 1, "unpriced_calls": 0, "input_tokens": null})],
            vec![
                json!(3),
                json!({}),
                json!([1, 0, 1, 1, 1, 1, 1, 1]),
                json!({"unpriced_calls": 1}),
                json!({"calls": MOST + 1, "unpriced_calls": 0}),
            ],
        ),
        (
            "fork",
            vec![json!(null), fork(3)],
            vec![json!(3), json!({}), json!(["j", "o", "e", 3, null]), fork(MOST + 1)],
        ),
        ("prefilled", flags(), no_flags()),
        (
            "compacted",
            vec![
                json!(null),
                compacted(2, 1),
                compacted(MOST, 1),
                epochs(json!({"epoch_id": "e", "epoch": 1, "first_seq": 1, "prev_last_seq": 1})),
            ],
            vec![
                json!({}),
                compacted(1, 1),
                compacted(MOST + 1, 1),
                json!([]),
                json!([2, 1, 300, 1, []]),
                epochs(json!(["e", 1, 1, 1])),
            ],
        ),
    ]
}

/// Goal: a second reader calls the same headers bad as this one. Method: one header for each value.
#[test]
fn each_member_takes_the_values_that_the_format_page_says() {
    for (name, good, bad) in table() {
        for (values, expected) in [(good, true), (bad, false)] {
            for value in values {
                let mut header = members(2, 1, None);
                header[name] = value.clone();
                assert_eq!(is_good(header_of(&header)), expected, "`{name}`: {value}");
            }
        }
    }
}

/// Goal: which members may be absent, and that unknown ones mean nothing whatever they hold.
#[test]
fn members_may_be_absent_unknown_and_in_any_order_but_not_repeated() {
    let optional = ["epoch_id", "needs", "turns", "errors", "open", "open_truncated", "last_id", "spent", "fork"];
    let all = table().into_iter().map(|(name, ..)| name).chain(["segment"]);
    for name in all.filter(|name| *name != "foldlog") {
        let mut header = members(2, 1, None);
        header.as_object_mut().unwrap().remove(name);
        let may_be_absent = optional.contains(&name) || ["prefilled", "compacted"].contains(&name);
        assert_eq!(is_good(header_of(&header)), may_be_absent, "no `{name}`");
    }
    for value in [json!(1_u64 << 60), json!(-5), json!(1.5e300), json!({"a": [1_u64 << 60]}), json!(null)] {
        let mut header = members(2, 1, None);
        header["unknown"] = value.clone();
        assert!(is_good(header_of(&header)), "unknown: {value}");
    }
    let line = String::from_utf8(header_of(&members(2, 1, None))).unwrap();
    let body = &line[..line.len() - crate::support::SUFFIX - 1];
    let with = |more: &str| is_good(crate::support::seal(&format!("{body},{more}")));
    assert!(!with("\"turns\":0"), "a known member twice");
    assert!(with("\"x\":1,\"x\":2"), "an unknown member twice");
}

/// Goal: the page has every member and every limit that was tested.
#[test]
fn the_format_page_has_a_row_for_each_member() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/FORMAT.md")).unwrap();
    let section = page.split("**A bad header**").nth(1).unwrap().split("In a file that is not empty").next().unwrap();
    for (name, ..) in table() {
        assert!(section.contains(&format!("`{name}`")), "the table of values has no `{name}`");
    }
}
