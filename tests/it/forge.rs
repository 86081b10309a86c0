//! Segments made by hand, so that tests can write what no writer does.

use crate::support::{Files, seal, segment};
use serde_json::{Value, json};

/// The journal that forged headers name unless they are told otherwise.
pub const JOURNAL: &str = "00112233445566778899aabbccddeeff";

/// An entry's line.
pub fn entry(seq: u64) -> Vec<u8> {
    entry_with(seq, 0, "a.b", "{}")
}

/// An entry's line, with all that tests care about.
pub fn entry_with(seq: u64, synced: u64, type_name: &str, data: &str) -> Vec<u8> {
    let time = format!("2026-11-22T18:45:00.{:06}Z", seq % 1_000_000);
    seal(&format!("{{\"seq\":{seq},\"synced\":{synced},\"time\":\"{time}\",\"type\":\"{type_name}\",\"data\":{data}"))
}

/// The members of a good header of a segment that begins with the entry `first`; `prev` is (segment, last_seq, bytes).
pub fn members(number: u64, first: u64, prev: Option<(u64, u64, u64)>) -> Value {
    let prev = prev.map(|(segment, last_seq, bytes)| json!({"segment": segment, "last_seq": last_seq, "bytes": bytes}));
    json!({
        "foldlog": 1, "journal": JOURNAL, "session_id": crate::support::ID, "segment": number, "epoch": number,
        "first_seq": first, "created": "2026-11-22T18:45:00.000000Z", "writer": "w", "pid": 1, "host": "h", "needs": [],
        "prev": prev, "turns": 0, "open": [], "last_id": null, "errors": 0,
    })
}

/// The line of a header with these members.
pub fn header_of(members: &Value) -> Vec<u8> {
    let mut text = serde_json::to_string(members).unwrap();
    // `foldlog` comes first; the rest may come in any order.
    let version = format!("\"foldlog\":{}", members["foldlog"]);
    text = text.replacen(&format!(",{version}"), "", 1).replacen('{', &format!("{{{version},"), 1);
    seal(text.strip_suffix('}').unwrap())
}

/// A good header's line.
pub fn header(number: u64, first: u64, prev: Option<(u64, u64, u64)>) -> Vec<u8> {
    header_of(&members(number, first, prev))
}

/// A journal of one segment for each of these runs of numbers, well sealed, each of an opening of its own.
pub fn journal(runs: &[std::ops::RangeInclusive<u64>]) -> Files {
    let (mut files, mut prev) = (Files::new(), None);
    for (number, run) in (1..).zip(runs) {
        let lines: Vec<u8> = run.clone().flat_map(entry).collect();
        let bytes = [header(number, *run.start(), prev), lines].concat();
        prev = Some((number, *run.end(), bytes.len() as u64));
        files.insert(segment(number), bytes);
    }
    files
}

/// Changes the header of a file, and seals it again.
pub fn rehead(files: &mut Files, number: u64, change: impl FnOnce(&mut Value)) {
    let bytes = files.get_mut(&segment(number)).unwrap();
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
    let mut members: Value = serde_json::from_slice(&bytes[..end]).unwrap();
    members.as_object_mut().unwrap().remove("crc");
    change(&mut members);
    bytes.splice(..=end, header_of(&members));
}
