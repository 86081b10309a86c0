//! Decoding: the library and a second implementation of `docs/FORMAT.md`, sections 2 and 5, agree on what of any bytes is
//! an entry, what is salvaged, and what every part of it says.

use super::input::Input;
use crate::support::{Files, ID, Lab, holds, lines, reference, seal, segment};
use foldlog::{Item, Timestamp};
use std::sync::OnceLock;

/// The first byte says whether lines get a checksum that holds, as if a hostile writer had made them; the others are the
/// lines behind a good header.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let sealed = !input.byte().is_multiple_of(4);
    let mut file = header().to_vec();
    for line in input.rest().split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\n").and_then(|body| std::str::from_utf8(body).ok()).filter(|_| sealed) {
            Some(body) => file.extend(seal(body)),
            None => file.extend_from_slice(line),
        }
    }
    let expected = by_the_format(&file[header().len()..]);
    let lab = Lab::with(&Files::from([(segment(1), file)]));
    let mut items = lab.store.reader(ID).unwrap().items().unwrap();
    let mut given = Vec::new();
    while let Some(item) = items.next().unwrap() {
        if let Item::Entry(entry) = item {
            let _ = (entry.event(), entry.is_recorders_own());
            given.push(Parts {
                seq: entry.seq().get(),
                synced: entry.synced().get(),
                time: entry.time().to_string(),
                type_name: entry.type_name().to_owned(),
                id: entry.id().map(str::to_owned),
                observed: entry.observed().map(|time| time.to_string()),
                data: entry.data().to_owned(),
            });
        }
    }
    assert_eq!(given, expected);
}

pub fn seeds() -> Vec<Vec<u8>> {
    let bodies = |number: u8| -> Vec<u8> {
        let files = reference(1 << 20);
        let all = lines(&files[&segment(1)]);
        let some = all.iter().skip(1 + usize::from(number) * 7).take(4);
        some.flat_map(|(_, line)| [&line[..line.len() - crate::support::SUFFIX], b"\n"].concat()).collect()
    };
    let by_hand = [
        r#"{"seq":1,"synced":0,"time":"2026-11-22T18:45:00.123456Z","type":"a","x":[1,{"data":2}],"id":"i","data":{}"#,
        r#"{"seq":9007199254740991,"synced":007,"time":"2026-13-22T18:45:00.123456Z","type":"","data":{}"#,
        r#"{"seq":7,"synced":0,"time":"2024-02-29T23:59:59.999999Z","type":"a.b","id":"\ud83e\udd80","observed":"1970-01-01T00:00:00.000000Z","data":{"a":{"seq":1}}"#,
    ];
    let mut seeds: Vec<Vec<u8>> = (0..4).map(|number| [vec![1], bodies(number)].concat()).collect();
    seeds.extend(by_hand.iter().map(|body| format!("\u{1}{body}\n{body}\n").into_bytes()));
    let long = "i".repeat(129);
    seeds.push(format!("\u{1}{}\n", by_hand[0].replace("\"i\"", &format!("\"{long}\""))).into_bytes());
    seeds.push(format!("\u{1}{}\n", by_hand[0].replace("\"x\":", "\"x\": ")).into_bytes());
    let raw = reference(1 << 20)[&segment(1)].clone();
    seeds.push([&[0], &raw[header().len()..header().len() + 900]].concat());
    // A whole line inside another one, glued and NULs behind it: salvage.
    let entry = lines(&raw)[1].1.to_vec();
    seeds.push([&[0], &b"{\"seq\":1,"[..], &entry, &[0, 0, 0], b"\n", &entry, b"\n"].concat());
    seeds
}

fn header() -> &'static [u8] {
    static HEADER: OnceLock<Vec<u8>> = OnceLock::new();
    HEADER.get_or_init(|| [lines(&reference(1 << 20)[&segment(1)])[0].1, b"\n"].concat())
}

/// What an entry says.
#[derive(Debug, PartialEq)]
struct Parts {
    seq: u64,
    synced: u64,
    time: String,
    type_name: String,
    id: Option<String>,
    observed: Option<String>,
    data: String,
}

/// What the format page says of these bytes, which follow the header of the newest segment.
fn by_the_format(bytes: &[u8]) -> Vec<Parts> {
    let (mut given, mut inside): (Vec<Parts>, Vec<Parts>) = (Vec::new(), Vec::new());
    let last = |given: &[Parts]| given.last().map_or(0, |entry| entry.seq);
    let salvage = |given: &mut Vec<Parts>, inside: &mut Vec<Parts>, next: u64| {
        for piece in inside.drain(..) {
            if piece.seq > last(given) && piece.seq < next {
                given.push(piece);
            }
        }
    };
    for (_, line) in lines(bytes) {
        match entry(line) {
            Some(entry) if entry.seq > last(&given) => {
                salvage(&mut given, &mut inside, entry.seq);
                if entry.seq > last(&given) {
                    given.push(entry);
                }
            }
            Some(_) => {} // a number again: never given late
            None => inside.extend(pieces(line).into_iter().filter_map(entry)),
        }
    }
    salvage(&mut given, &mut inside, u64::MAX);
    given
}

/// A bad line, cut before each start of an entry, NULs taken from the ends.
fn pieces(line: &[u8]) -> Vec<&[u8]> {
    let start = b"{\"seq\":";
    let starts: Vec<usize> = (0..line.len()).filter(|at| line[*at..].starts_with(start)).collect();
    let ends = starts.iter().skip(1).copied().chain([line.len()]);
    let strip = |piece: &[u8]| piece.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    starts.iter().zip(ends).map(|(from, to)| &line[*from..to]).map(|piece| &piece[..strip(piece)]).collect()
}

fn entry(line: &[u8]) -> Option<Parts> {
    if !holds(line) {
        return None;
    }
    let body = std::str::from_utf8(&line[..line.len() - crate::support::SUFFIX]).ok()?;
    let (seq, rest) = number(body.strip_prefix("{\"seq\":")?)?;
    let (synced, rest) = number(rest.strip_prefix(",\"synced\":")?)?;
    let rest = rest.strip_prefix(",\"time\":\"")?;
    let (at, rest) = (time(rest.get(..27)?)?, rest.get(27..)?.strip_prefix("\",\"type\":\"")?);
    let (type_name, mut rest) = rest.split_once('"')?;
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_.:/-".contains(letter);
    if seq == 0 || type_name.is_empty() || type_name.len() > 64 || !type_name.chars().all(plain) {
        return None;
    }
    let (mut id, mut observed) = (None, None);
    while !rest.starts_with(",\"data\":") {
        let (name, value) = rest.strip_prefix(",\"")?.split_once("\":")?;
        let mut values = serde_json::Deserializer::from_str(value).into_iter::<&serde_json::value::RawValue>();
        let json = values.next()?.ok()?.get();
        rest = value.strip_prefix(json)?; // no space before it
        match name {
            "id" => id = Some(serde_json::from_str::<String>(json).ok().filter(|id| id.len() <= 128)?),
            "observed" => observed = Some(time(json.strip_prefix('"')?.strip_suffix('"')?)?),
            _ => {}
        }
    }
    let data = rest.strip_prefix(",\"data\":")?;
    let is_object = data.len() > 1 && data.starts_with('{') && data.ends_with('}');
    let (type_name, data) = (type_name.to_owned(), data.to_owned());
    is_object.then_some(Parts { seq, synced, time: at, type_name, id, observed, data })
}

fn number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (digits, rest) = text.split_at(end);
    let number = digits.parse().ok().filter(|number| *number < 1 << 53)?;
    (digits == "0" || !digits.starts_with('0')).then_some((number, rest))
}

/// A time in the one form in which the log has it: written anew it is the same.
fn time(text: &str) -> Option<String> {
    let written = Timestamp::parse_rfc3339(text)?.to_string();
    (written == text).then_some(written)
}
