//! What one physical line is: blank, one good record, or bad, with what can be saved of it.

use crate::interop::jsonl::lines::Ending;
use crate::interop::jsonl::{IsRecord, MAX_RECORD_DEPTH, objects};
use crate::json;
use memchr::memmem::Finder;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

/// A line, judged from its bytes alone.
#[derive(Debug)]
pub(crate) enum Judged<'a> {
    Blank,
    /// One whole record.
    Good(&'a str),
    Bad(Bad<'a>),
}

/// A line that is not just one whole record.
#[derive(Debug, Default)]
pub(crate) struct Bad<'a> {
    /// What it is made of, in order.
    pub(crate) pieces: Vec<Piece<'a>>,
    /// What is wrong, by where in the line.
    pub(crate) faults: Vec<(Fault, Range<usize>)>,
}

/// A part of a bad line.
#[derive(Debug)]
pub(crate) enum Piece<'a> {
    /// A whole record; `changed` if its bytes had to be, so that the original is worth keeping too.
    Record { text: Cow<'a, str>, at: Range<usize>, changed: bool },
    /// Bytes of which nothing can be made.
    Lost(Range<usize>),
}

/// What is wrong with bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The beginning of a record, and then nothing.
    Torn,
    /// The beginning of a record, and then a whole one.
    Glued,
    /// The beginning of a record, and then the same record, whole.
    GluedAgain,
    /// Whole records without a line break between them.
    MissingNewline,
    Nul,
    InvalidUtf8,
    LoneSurrogate,
    /// JSON, but not an object.
    NotObject,
    /// Not JSON at all.
    NotJson,
    TooDeep,
}

impl Fault {
    /// What is wrong, in words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Fault::Torn => "a record that was cut short",
            Fault::Glued => "a record that was cut short, with another glued to it",
            Fault::GluedAgain => "a record that was cut short, with the same record glued to it, whole",
            Fault::MissingNewline => "two records without a line break between them",
            Fault::Nul => "NUL bytes",
            Fault::InvalidUtf8 => "bytes that are not UTF-8",
            Fault::LoneSurrogate => "half of a surrogate pair",
            Fault::NotObject => "JSON, but no object",
            Fault::NotJson => "not JSON",
            Fault::TooDeep => "nested deeper than others can read",
        }
    }
}

/// Judges a line, given without its line break. A byte-order mark must have been taken off.
pub(crate) fn judge<'a>(line: &'a [u8], ending: Ending, is_record: IsRecord<'_>) -> Judged<'a> {
    if line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
        return Judged::Blank;
    }
    match simdutf8::basic::from_utf8(line) {
        Ok(text) if is_whole(text) => Judged::Good(text),
        _ => Judged::Bad(take_apart(line, ending, is_record)),
    }
}

/// Whether a text is one object that every reader can read.
pub(crate) fn is_whole(text: &str) -> bool {
    text.trim_start().starts_with('{')
        && json::is_json(text)
        && !is_too_deep(text.as_bytes())
        && !has_lone_surrogates(text)
}

fn has_lone_surrogates(json: &str) -> bool {
    // Most records escape no surrogate at all: looking for one is quicker than looking at every escape.
    static ESCAPES: LazyLock<[Finder<'_>; 2]> = LazyLock::new(|| [b"\\ud", b"\\uD"].map(Finder::new));
    let escapes_any = ESCAPES.iter().any(|escape| escape.find(json.as_bytes()).is_some());
    escapes_any && lone_surrogates(json).next().is_some()
}

fn take_apart<'a>(line: &'a [u8], ending: Ending, is_record: IsRecord<'_>) -> Bad<'a> {
    let mut bad = Bad::default();
    let inner = without_outer_nuls(line, &mut bad.faults);
    if inner.is_empty() {
        bad.pieces.push(Piece::Lost(0..line.len()));
        return bad;
    }
    if let Some(piece) = mend(line, inner.clone(), &mut bad.faults) {
        bad.pieces.push(piece);
        return bad;
    }
    let found = objects::whole_objects(&line[inner.clone()], is_record);
    let found = found.into_iter().map(|at| at.start + inner.start..at.end + inner.start);
    let mut behind = inner.start;
    let (mut records, mut lost) = (0, Vec::new());
    for at in found {
        lost.extend(rubbish(line, behind..at.start));
        behind = at.end;
        let before = lost.last().cloned().filter(|before: &Range<usize>| before.end == at.start);
        if records > 0 && before.is_none() {
            bad.faults.push((Fault::MissingNewline, at.start..at.start));
        }
        if let Some(before) = before {
            bad.faults.push((glue(line, &before, &at), before.clone()));
            bad.pieces.push(Piece::Lost(before));
        }
        let mended = mend(line, at.clone(), &mut bad.faults);
        bad.pieces.push(mended.unwrap_or_else(|| Piece::Lost(at.clone())));
        records += 1;
    }
    if let Some(rest) = rubbish(line, behind..inner.end) {
        bad.faults.push((kind_of_rubbish(&line[rest.clone()], ending), rest.clone()));
        bad.pieces.push(Piece::Lost(rest));
    }
    bad
}

/// Saves the one record that `line[at]` is, changing it where it must be; `None` if it is not one.
fn mend<'a>(line: &'a [u8], at: Range<usize>, faults: &mut Vec<(Fault, Range<usize>)>) -> Option<Piece<'a>> {
    let bytes = &line[at.clone()];
    let mut found = Vec::new();
    let mut text = match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(error) => {
            let first = at.start + error.valid_up_to();
            found.push((Fault::InvalidUtf8, first..first + error.error_len().unwrap_or(1)));
            Cow::Owned(String::from_utf8_lossy(bytes).into_owned())
        }
    };
    if let Some(nul) = text.find('\0') {
        let run = bytes.iter().skip(nul).take_while(|byte| **byte == 0).count();
        let nul = memchr::memchr(0, bytes).unwrap_or(nul) + at.start;
        found.push((Fault::Nul, nul..nul + run));
        text = Cow::Owned(text.replace('\0', ""));
    }
    if !text.trim_start().starts_with('{') {
        let is_value = json::is_json(&text);
        return is_value.then(|| {
            faults.push((Fault::NotObject, at.clone()));
            Piece::Lost(at)
        });
    }
    if !json::is_json(&text) {
        return None;
    }
    if is_too_deep(text.as_bytes()) {
        faults.push((Fault::TooDeep, at.clone()));
        return Some(Piece::Lost(at));
    }
    let first = lone_surrogates(&text).next();
    if let Some(first) = first {
        let place = if found.is_empty() { at.start + first } else { at.start };
        found.push((Fault::LoneSurrogate, place..place + 6));
        text = Cow::Owned(without_lone_surrogates(&text));
    }
    let changed = !found.is_empty();
    faults.append(&mut found);
    Some(Piece::Record { text, at, changed })
}

/// The line without NULs at its ends, which are noted.
fn without_outer_nuls(line: &[u8], faults: &mut Vec<(Fault, Range<usize>)>) -> Range<usize> {
    let is_nul = |byte: &&u8| **byte == 0;
    let lead = line.iter().take_while(is_nul).count();
    if lead == line.len() {
        faults.push((Fault::Nul, 0..lead));
        return 0..0;
    }
    let end = line.len() - line.iter().rev().take_while(|byte| matches!(byte, 0 | b'\r')).count();
    let trail = &line[end..];
    if lead > 0 {
        faults.push((Fault::Nul, 0..lead));
    }
    if trail.contains(&0) {
        faults.push((Fault::Nul, end..line.len()));
    }
    lead..end
}

/// A range that holds more than blanks and NULs.
fn rubbish(line: &[u8], range: Range<usize>) -> Option<Range<usize>> {
    let blank = line[range.clone()].iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | 0));
    (!blank).then_some(range)
}

/// A torn beginning with a record behind it: most often the record itself, written again.
fn glue(line: &[u8], torn: &Range<usize>, record: &Range<usize>) -> Fault {
    let torn = &line[torn.clone()];
    if !torn.trim_ascii_start().starts_with(b"{") {
        return Fault::NotJson;
    }
    match line[record.clone()].starts_with(torn) {
        true => Fault::GluedAgain,
        false => Fault::Glued,
    }
}

fn kind_of_rubbish(rest: &[u8], ending: Ending) -> Fault {
    let begins_like_a_record = rest.trim_ascii_start().starts_with(b"{");
    match begins_like_a_record || ending == Ending::EndOfFile {
        true => Fault::Torn,
        false => Fault::NotJson,
    }
}

/// Whether JSON is nested deeper than others can read.
fn is_too_deep(json: &[u8]) -> bool {
    // Most records have few brackets at all: no need to look where they stand.
    if memchr::memchr2_iter(b'[', b'{', json).nth(MAX_RECORD_DEPTH).is_none() {
        return false;
    }
    let (mut depth, mut at) = (0usize, 0);
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => at += string_len(&json[at + 1..]),
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_RECORD_DEPTH {
            return true;
        }
        at += 1;
    }
    false
}

/// How many bytes a string has from behind its opening quote, the closing one included.
fn string_len(rest: &[u8]) -> usize {
    let mut at = 0;
    while let Some(next) = rest.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += next;
        if rest[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    rest.len()
}

/// Where the escapes of half a surrogate pair stand in a JSON text.
fn lone_surrogates(json: &str) -> impl Iterator<Item = usize> + '_ {
    let bytes = json.as_bytes();
    let mut behind = 0;
    memchr::memchr_iter(b'\\', bytes).filter_map(move |at| {
        if at < behind {
            return None; // the second half of an escape
        }
        behind = at + 2;
        let unit = escaped_unit(bytes, at)?;
        behind = at + 6;
        match unit {
            0xD800..=0xDBFF => match escaped_unit(bytes, at + 6) {
                Some(0xDC00..=0xDFFF) => {
                    behind = at + 12;
                    None
                }
                _ => Some(at),
            },
            0xDC00..=0xDFFF => Some(at),
            _ => None,
        }
    })
}

/// The UTF-16 unit that a `\u0000` at this place stands for.
fn escaped_unit(bytes: &[u8], at: usize) -> Option<u16> {
    let hex = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()
}

fn without_lone_surrogates(json: &str) -> String {
    let mut whole = json.to_owned();
    for at in lone_surrogates(json) {
        whole.replace_range(at..at + 6, "\\ufffd");
    }
    whole
}
