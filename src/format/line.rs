//! The bytes of a line: encoding, and decoding by hand from the fixed envelope. See `docs/FORMAT.md`.
//!
//! Everything here works on bytes in memory and decides from them alone; what a bad line means is up to
//! `salvage` and `gap_rules`.

use crate::json::escape::{ENTRY_START, escape_line_separators};
use crate::model::entry::Entry;
use crate::model::seq::Seq;
use crate::model::time::Timestamp;
use std::borrow::Cow;

/// The most bytes of a line, its line break included. Part of version 1 of the format.
pub const MAX_LINE: usize = 64 << 20;
/// The longest `id` that a caller may give, in bytes.
pub const MAX_ID: usize = 128;
/// The shortest line, its line break included.
pub(crate) const MIN_LINE: usize = 96;
/// `,"crc":"9f3a61c2"}`
pub(crate) const SUFFIX: usize = 18;
/// The most bytes before `,"type":`, for the largest numbers.
pub(crate) const MAX_HEAD: usize = 86;
/// How a header begins.
pub(crate) const HEADER_START: &[u8] = b"{\"foldlog\":";
/// What a checksum is written in.
const DIGITS: &[u8; 16] = b"0123456789abcdef";
/// What the data in a line follows.
const DATA: &[u8] = b",\"data\":";
/// Tails up to this size are cheaper to hash again than to combine with the hash made outside the lock.
const HASH_AGAIN: usize = 4096;

/// What follows the time in a line, up to the checksum, and its hash: made by the caller, outside every lock.
#[derive(Clone, Debug)]
pub(crate) struct Tail<'a> {
    bytes: Cow<'a, [u8]>,
    crc: crc32fast::Hasher,
}

impl<'a> Tail<'a> {
    /// `data` must be a JSON object without 0x00, 0x0A and `{"seq":`.
    pub(crate) fn new(type_name: &str, id: Option<&str>, observed: Option<Timestamp>, data: &[u8]) -> Tail<'a> {
        let mut bytes = Vec::with_capacity(data.len() + type_name.len() + 64);
        begin_tail(&mut bytes, type_name);
        if let Some(id) = id {
            let mut quoted = serde_json::to_vec(id).unwrap_or_default();
            escape_line_separators(&mut quoted, 0);
            bytes.extend_from_slice(b",\"id\":");
            bytes.extend_from_slice(&quoted);
        }
        if let Some(observed) = observed {
            bytes.extend_from_slice(b",\"observed\":\"");
            bytes.extend_from_slice(&observed.to_bytes());
            bytes.push(b'"');
        }
        bytes.extend_from_slice(DATA);
        bytes.extend_from_slice(data);
        Tail::of(Cow::Owned(bytes))
    }

    /// From bytes that are one already.
    pub(crate) fn of(bytes: Cow<'a, [u8]>) -> Tail<'a> {
        let mut crc = crc32fast::Hasher::new();
        if bytes.len() > HASH_AGAIN {
            crc.update(&bytes);
        }
        Tail { bytes, crc }
    }

    /// An upper bound of the bytes of its line.
    pub(crate) fn line_len(&self) -> usize {
        MAX_HEAD + self.bytes.len() + SUFFIX + 1
    }

    /// Appends the whole line to `out`.
    pub(crate) fn write_line(&self, out: &mut Vec<u8>, seq: u64, synced: u64, time: &[u8; Timestamp::LEN]) {
        out.reserve(self.line_len());
        let start = out.len();
        out.extend_from_slice(ENTRY_START);
        push_number(out, seq);
        out.extend_from_slice(b",\"synced\":");
        push_number(out, synced);
        out.extend_from_slice(b",\"time\":\"");
        out.extend_from_slice(time);
        out.push(b'"');
        let mut crc = crc32fast::Hasher::new();
        if self.bytes.len() > HASH_AGAIN {
            crc.update(&out[start..]);
            crc.combine(&self.crc);
            out.extend_from_slice(&self.bytes);
        } else {
            out.extend_from_slice(&self.bytes);
            crc.update(&out[start..]);
        }
        push_suffix(out, crc.finalize());
    }
}

/// Begins a tail without an id and without a time of its own: its data follows.
pub(crate) fn begin_plain_tail(out: &mut Vec<u8>, type_name: &str) {
    begin_tail(out, type_name);
    out.extend_from_slice(DATA);
}

fn begin_tail(out: &mut Vec<u8>, type_name: &str) {
    out.extend_from_slice(b",\"type\":\"");
    out.extend_from_slice(type_name.as_bytes());
    out.push(b'"');
}

/// Closes a JSON object that stands in `out` from `start`, its `}` still missing, with its checksum.
pub(crate) fn seal_line(out: &mut Vec<u8>, start: usize) {
    let crc = crc32fast::hash(&out[start..]);
    push_suffix(out, crc);
}

fn push_suffix(out: &mut Vec<u8>, crc: u32) {
    out.extend_from_slice(b",\"crc\":\"");
    push_checksum(out, crc);
    out.extend_from_slice(b"\"}\n");
}

/// Writes a checksum as its eight digits.
pub(crate) fn push_checksum(out: &mut Vec<u8>, crc: u32) {
    for shift in (0..32).step_by(4).rev() {
        out.push(DIGITS[(crc >> shift) as usize & 15]);
    }
}

pub(crate) fn push_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// What the bytes of a line are, its line break excluded.
#[derive(Debug)]
pub(crate) enum Decoded<'a> {
    Entry(Entry<'a>),
    /// A verified line that begins like a header: the JSON of the header, for `header` to read.
    Header(&'a str),
    /// The checksum is right, and it is none of ours.
    Foreign,
    /// The checksum is wrong, or there is none.
    Bad,
}

/// Decodes one line from its bytes alone.
pub(crate) fn decode(line: &[u8]) -> Decoded<'_> {
    match verified(line) {
        None => Decoded::Bad,
        Some(crc) => simdutf8::basic::from_utf8(line).map_or(Decoded::Foreign, |text| decode_members(text, crc)),
    }
}

/// The same of a line that is known to be text.
pub(crate) fn decode_text(line: &str) -> Decoded<'_> {
    verified(line.as_bytes()).map_or(Decoded::Bad, |crc| decode_members(line, crc))
}

/// Decodes a line whose checksum has been verified before.
pub(crate) fn decode_verified(line: &[u8]) -> Option<Entry<'_>> {
    parse_envelope(simdutf8::basic::from_utf8(line).ok()?, stated_checksum(line)?)
}

fn decode_members(line: &str, crc: u32) -> Decoded<'_> {
    if line.as_bytes().starts_with(HEADER_START) {
        return Decoded::Header(line);
    }
    parse_envelope(line, crc).map_or(Decoded::Foreign, Decoded::Entry)
}

/// The checksum a line ends with, if it ends with one.
pub(crate) fn stated_checksum(line: &[u8]) -> Option<u32> {
    let (_, suffix) = line.split_at_checked(line.len().checked_sub(SUFFIX)?)?;
    let hex = suffix.strip_prefix(b",\"crc\":\"")?.strip_suffix(b"\"}")?;
    let (crc, all) = hex.iter().fold((0, 0), |(crc, all), digit| {
        let value = HEX[usize::from(*digit)];
        (crc << 4 | u32::from(value), all | value)
    });
    (all <= 15).then_some(crc)
}

/// What each byte is worth as a lowercase hexadecimal digit; more than 15 for all that are none.
static HEX: [u8; 256] = {
    let mut values = [16; 256];
    let mut value = 0;
    while value < DIGITS.len() {
        values[DIGITS[value] as usize] = value as u8;
        value += 1;
    }
    values
};

/// The checksum of a line, if it is the one that the line ends with.
fn verified(line: &[u8]) -> Option<u32> {
    stated_checksum(line).filter(|crc| crc32fast::hash(&line[..line.len() - SUFFIX]) == *crc)
}

fn parse_envelope(line: &str, crc: u32) -> Option<Entry<'_>> {
    let body = line.get(..line.len().checked_sub(SUFFIX)?)?;
    let (seq, rest) = number(body.as_bytes().strip_prefix(ENTRY_START)?)?;
    let (synced, rest) = number(rest.strip_prefix(b",\"synced\":")?)?;
    let (time, rest) = rest.strip_prefix(b",\"time\":\"")?.split_at_checked(Timestamp::LEN)?;
    let time = Timestamp::from_bytes(time)?;
    let rest = rest.strip_prefix(b"\",\"type\":\"")?;
    let type_from = body.len() - rest.len();
    let type_to = type_from + memchr::memchr(b'"', rest)?;
    if seq == Seq::ZERO || !crate::model::event::custom::is_type_name(&body[type_from..type_to]) {
        return None;
    }
    let (mut id, mut observed) = (None, None);
    let mut rest = &body[type_to + 1..];
    let data = loop {
        if rest.as_bytes().starts_with(DATA) {
            break &rest[DATA.len()..];
        }
        let (name, value) = rest.strip_prefix(",\"")?.split_once("\":")?;
        let (value, after) = json_value(value)?;
        match name {
            "id" => id = Some(unquote(value).filter(|id| id.len() <= MAX_ID)?),
            "observed" => {
                observed = Some(Timestamp::from_bytes(value.strip_prefix('"')?.strip_suffix('"')?.as_bytes())?)
            }
            _ => {} // a newer version's: ignored, and kept with the line
        }
        rest = after;
    };
    let is_object = data.starts_with('{') && data.ends_with('}');
    // No line is longer than 64 MiB, so that its places fit 32 bits.
    let data = u32::try_from(body.len() - data.len()).ok()?..u32::try_from(body.len()).ok()?;
    let type_name = type_from as u32..type_to as u32;
    let line = Cow::Borrowed(line);
    is_object.then_some(Entry { seq, synced, time, id, observed, line, crc, type_name, data, json: None })
}

fn number(text: &[u8]) -> Option<(Seq, &[u8])> {
    /// As many as the largest number has.
    const MOST_DIGITS: usize = 16;
    let (digits, rest) = text.split_at(text.iter().position(|byte| !byte.is_ascii_digit())?);
    if !(1..=MOST_DIGITS).contains(&digits.len()) || (digits.len() > 1 && digits[0] == b'0') {
        return None;
    }
    let number = digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    (number <= Seq::MAX.get()).then(|| (Seq::new(number), rest))
}

/// Splits the JSON value that `text` begins with, with no space before it, from what follows.
fn json_value(text: &str) -> Option<(&str, &str)> {
    if text.starts_with([' ', '\t', '\r']) {
        return None;
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    values.next()?.ok()?;
    Some(text.split_at(values.byte_offset()))
}

fn unquote(value: &str) -> Option<Cow<'_, str>> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    match inner.contains('\\') {
        false => Some(Cow::Borrowed(inner)),
        true => serde_json::from_str(value).ok().map(Cow::Owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_line_has_96_bytes() {
        let mut line = Vec::new();
        Tail::new("a", None, None, b"{}").write_line(&mut line, 1, 0, &Timestamp::from_micros(0).to_bytes());
        assert_eq!(line.len(), MIN_LINE);
    }

    #[test]
    fn the_largest_head_fits_its_bound() {
        let mut line = Vec::new();
        let tail = Tail::new("a", None, None, b"{}");
        tail.write_line(&mut line, Seq::MAX.get(), Seq::MAX.get(), &Timestamp::now().to_bytes());
        assert!(line.len() <= tail.line_len());
    }

    #[test]
    fn a_hash_made_outside_the_lock_gives_the_same_line() {
        let data = format!("{{\"text\":\"{}\"}}", "é".repeat(HASH_AGAIN));
        let mut line = Vec::new();
        Tail::new("text_delta", Some("i\"d"), None, data.as_bytes()).write_line(
            &mut line,
            7,
            6,
            &Timestamp::now().to_bytes(),
        );
        let Decoded::Entry(entry) = decode(&line[..line.len() - 1]) else { panic!("not an entry") };
        assert_eq!((entry.seq().get(), entry.id(), entry.data()), (7, Some("i\"d"), data.as_str()));
    }

    #[test]
    fn unknown_members_between_type_and_data_are_ignored() {
        let mut line = br#"{"seq":1,"synced":0,"time":"2026-11-22T18:45:00.123456Z","type":"a","x":[1,{"data":2}],"id":"i","data":{"k":"v"}"#.to_vec();
        seal_line(&mut line, 0);
        let Decoded::Entry(entry) = decode(&line[..line.len() - 1]) else { panic!("not an entry") };
        assert_eq!((entry.id(), entry.data()), (Some("i"), r#"{"k":"v"}"#));
    }
}
