//! The strings of a JSON text, one after the other, and what each is called there.

use super::bytes::run;
use std::borrow::Cow;
use std::ops::Range;

pub(super) struct Strings<'j> {
    json: &'j str,
    at: usize,
    /// How many objects and arrays the place is in.
    depth: usize,
    /// The name of the member that is being read, or the flag before it in a list.
    name: Option<Range<usize>>,
    /// The value of a member `name` or `key`: it names the `value` beside it.
    label: Option<Range<usize>>,
}

pub(super) struct JsonString<'j> {
    json: &'j str,
    /// With its quotes.
    pub(super) range: Range<usize>,
    is_escaped: bool,
    depth: usize,
    /// What the string is called, as a string of the same JSON.
    name: Option<Range<usize>>,
}

impl<'j> Strings<'j> {
    pub(super) fn new(json: &'j str) -> Strings<'j> {
        Strings { json, at: 0, depth: 0, name: None, label: None }
    }

    /// Takes note of what stands between two strings.
    fn pass(&mut self, until: usize) {
        for byte in &self.json.as_bytes()[self.at..until] {
            match byte {
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => continue,
            }
            if *byte != b'[' {
                self.name = None;
                self.label = None;
            }
        }
    }

    fn is(&self, string: &Range<usize>, words: &[&str]) -> bool {
        self.json.get(string.start + 1..string.end.saturating_sub(1)).is_some_and(|text| words.contains(&text))
    }
}

impl<'j> Iterator for Strings<'j> {
    type Item = JsonString<'j>;

    fn next(&mut self) -> Option<JsonString<'j>> {
        let bytes = self.json.as_bytes();
        let start = self.at + memchr::memchr(b'"', bytes.get(self.at..)?)?;
        self.pass(start);
        let (end, is_escaped) = end_of_string(bytes, start);
        self.at = end;
        let range = start..end;
        let is_name = bytes[end..].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':');
        let mut string =
            JsonString { json: self.json, range: range.clone(), is_escaped, depth: self.depth, name: None };
        if is_name {
            self.name = Some(range);
            return Some(string);
        }
        string.name = match &self.name {
            Some(name) if self.is(name, &["value", "Value"]) => self.label.clone(),
            Some(name) if self.json[name.start..].starts_with("\"--") => self.name.take(),
            name => name.clone(),
        };
        if self.name.as_ref().is_some_and(|name| self.is(name, &["name", "key", "Name", "Key"])) {
            self.label = Some(range.clone());
        }
        if self.json[start..].starts_with("\"--") {
            self.name = Some(range);
        }
        Some(string)
    }
}

impl JsonString<'_> {
    fn inner(&self) -> &str {
        self.json.get(self.range.start + 1..self.range.end.saturating_sub(1)).unwrap_or_default()
    }

    /// Its text, and whether that is how it is written and not what it means: what Unicode cannot hold stays as it is.
    pub(super) fn decoded(&self) -> (Cow<'_, str>, bool) {
        if !self.is_escaped {
            return (Cow::Borrowed(self.inner()), false);
        }
        match serde_json::from_str::<String>(&self.json[self.range.clone()]) {
            Ok(text) => (Cow::Owned(text), false),
            Err(_) => (Cow::Borrowed(self.inner()), true),
        }
    }

    pub(super) fn name(&self) -> Option<Cow<'_, str>> {
        let name = self.name.clone()?;
        let text = self.json.get(name.start + 1..name.end.saturating_sub(1))?;
        Some(Cow::Borrowed(text.trim_start_matches('-')))
    }

    /// Whether it is the value of this member of the event: `text` is what streamed in.
    pub(super) fn is_event_member(&self, member: &str) -> bool {
        let name = self.name.as_ref().filter(|_| self.depth == 1).and_then(|name| self.json.get(name.clone()));
        name.and_then(|name| name.strip_prefix('"')?.strip_suffix('"')).is_some_and(|name| name == member)
    }

    /// The name and the place of the whole number that it names, if it is the name of one.
    pub(super) fn named_number(&self) -> Option<(&str, Range<usize>)> {
        let bytes = self.json.as_bytes();
        let blanks = |from: usize| run(bytes, from, |byte| byte.is_ascii_whitespace());
        let colon = blanks(self.range.end);
        let start = blanks((bytes.get(colon) == Some(&b':')).then_some(colon + 1)?);
        let end = run(bytes, start, |byte| byte.is_ascii_digit());
        let is_whole = end > start && !matches!(bytes.get(end), Some(b'.' | b'e' | b'E'));
        is_whole.then(|| (self.inner(), start..end))
    }
}

/// Writes a string. One that could not be decoded is written as it is; if a secret in it ended within an escape, all of
/// it goes.
pub(super) fn write(out: &mut String, text: &str, is_raw: bool) {
    match is_raw {
        false => out.push_str(&serde_json::to_string(text).unwrap_or_default()),
        true => {
            let start = out.len();
            out.push('"');
            out.push_str(text);
            out.push('"');
            if serde_json::from_str::<serde::de::IgnoredAny>(&out[start..]).is_err() {
                out.truncate(start);
                out.push_str("\"[REDACTED]\"");
            }
        }
    }
}

/// Where the string that begins at `start` ends, after its quote, and whether it has an escape.
fn end_of_string(json: &[u8], start: usize) -> (usize, bool) {
    let (mut at, mut escaped) = (start + 1, false);
    while let Some(offset) = json.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += offset;
        if json[at] == b'"' {
            return (at + 1, escaped);
        }
        escaped = true;
        at += 2;
    }
    (json.len(), escaped)
}
