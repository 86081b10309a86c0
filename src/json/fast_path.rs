//! A short cut past the JSON parser for events that are read often and of which little must be understood.
//!
//! It knows only objects as the recorder writes them: strings, numbers and words, no space between them, and only escapes
//! that stand for one byte. Of anything else it says nothing, and the parser decides; so it never has another opinion.

use crate::json::quote::{BLOCK, specials_of};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// Escapes of two characters, which stand for one byte each.
const ESCAPED: &[u8] = b"\"\\/bfnrt";

/// A value as it stands in the line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Plain<'a> {
    json: &'a str,
    /// How many bytes a string has without its quotes and escapes; `None` for what is no string.
    pub(crate) len: Option<usize>,
}

impl<'a> Plain<'a> {
    /// The string, if it is one and no escape stands in it.
    pub(crate) fn verbatim(self) -> Option<&'a str> {
        self.len.filter(|len| len + 2 == self.json.len()).map(|len| &self.json[1..=len])
    }

    /// The JSON string, if it is one.
    pub(crate) fn as_string(self) -> Option<&'a str> {
        self.len.map(|_| self.json)
    }

    /// What the parser takes it for; `None` if it refuses.
    pub(crate) fn parse<T: Deserialize<'a>>(self) -> Option<T> {
        serde_json::from_str(self.json).ok()
    }
}

/// The same for a member that may be absent.
pub(crate) fn optional<'a, T: Deserialize<'a>>(member: Option<Plain<'a>>) -> Option<Option<T>> {
    member.map_or(Some(None), Plain::parse)
}

/// The members of these names of an object that holds nothing in which others are; `None` if only the parser can tell.
pub(crate) fn members<'a, const N: usize>(object: &'a str, names: [&str; N]) -> Option<[Option<Plain<'a>>; N]> {
    // JSON allows none of these in a string, and nothing is outside of one here.
    if has_control_characters(object) {
        return None;
    }
    let mut found = [None; N];
    let mut rest = object.strip_prefix('{')?;
    loop {
        let (name, after) = string(rest)?;
        let (value, after) = value(after.strip_prefix(':')?)?;
        let name = name.verbatim()?;
        if let Some(at) = names.iter().position(|wanted| *wanted == name)
            && found[at].replace(value).is_some()
        {
            return None;
        }
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return (after == "}").then_some(found),
        }
    }
}

pub(crate) fn has_control_characters(text: &str) -> bool {
    text.bytes().fold(false, |any, byte| any | (byte < b' '))
}

/// The text of a JSON string without escapes; `None` for anything else.
pub(crate) fn verbatim(json: &str) -> Option<&str> {
    let text = json.strip_prefix('"')?.strip_suffix('"')?;
    let is_verbatim = memchr::memchr2(b'"', b'\\', text.as_bytes()).is_none() && !has_control_characters(text);
    is_verbatim.then_some(text)
}

/// The value that `text` begins with, and what stands behind it.
fn value(text: &str) -> Option<(Plain<'_>, &str)> {
    if !text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '-') {
        return string(text);
    }
    let (json, rest) = text.split_at(text.find([',', '}'])?);
    is_scalar(json).then_some((Plain { json, len: None }, rest))
}

/// Whether a text without blanks around it is a number or a word, and nothing that brackets or quotes begin.
pub(crate) fn is_scalar(json: &str) -> bool {
    let is_natural = json.bytes().all(|byte| byte.is_ascii_digit()) && !json.starts_with('0') && !json.is_empty();
    is_natural || matches!(json, "0" | "null" | "true" | "false") || serde_json::from_str::<IgnoredAny>(json).is_ok()
}

/// The string that `text` begins with, and what stands behind it.
fn string(text: &str) -> Option<(Plain<'_>, &str)> {
    let mut escapes = Escapes::default();
    let end = string_end(text.as_bytes(), 0, &mut escapes).filter(|_| !escapes.others)?;
    let (json, rest) = text.split_at(end);
    Some((Plain { json, len: Some(end - 2 - escapes.longer) }, rest))
}

/// The escapes that a string was found to have.
#[derive(Default)]
pub(crate) struct Escapes {
    /// By how many bytes they are longer than what they stand for, if that is a byte each.
    longer: usize,
    /// Not each of them stands for one byte.
    others: bool,
}

/// Where the string ends that begins at a place; control characters in it are not looked for.
pub(crate) fn string_end(bytes: &[u8], from: usize, escapes: &mut Escapes) -> Option<usize> {
    let mut at = (bytes.get(from) == Some(&b'"')).then_some(from + 1)?;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at + 1);
        }
        // Where one escape is, there are more.
        at = skip_escapes(bytes, at, escapes)?;
    }
}

/// Goes from escape to escape, up to the string's end or to where no block is left. Returns where that is, and notes the
/// escapes.
fn skip_escapes(bytes: &[u8], from: usize, escapes: &mut Escapes) -> Option<usize> {
    let mut at = from + escape(bytes, from, escapes)?;
    while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk::<BLOCK>) {
        let mut next = at + BLOCK;
        match short_escapes_of(block) {
            Some(short) => escapes.longer += short,
            None => {
                let mut specials = specials_of(block);
                next = at;
                while specials != 0 {
                    let special = at + specials.trailing_zeros() as usize;
                    specials &= specials - 1;
                    if special < next {
                        continue; // it is escaped
                    }
                    if bytes[special] == b'"' {
                        return Some(special);
                    }
                    next = special + escape(bytes, special, escapes)?;
                }
                next = next.max(at + BLOCK);
            }
        }
        at = next;
    }
    Some(at)
}

/// How many escapes a block holds, if they are all short, whole and of no backslash, and no string ends in it.
fn short_escapes_of(block: &[u8; BLOCK]) -> Option<usize> {
    let mut before = [0; BLOCK];
    before[1..].copy_from_slice(&block[..BLOCK - 1]);
    let (mut odd, mut escapes) = (block[BLOCK - 1] == b'\\', 0);
    for (before, byte) in before.iter().zip(block) {
        let escaped = *before == b'\\';
        let can_be = (*byte == b'"') | (*byte == b'n') | (*byte == b't') | (*byte == b'r') | (*byte == b'/');
        odd |= (escaped & !can_be) | (!escaped & (*byte == b'"'));
        escapes += u8::from(escaped);
    }
    (!odd).then_some(usize::from(escapes))
}

/// How long an escape is, which is noted.
fn escape(bytes: &[u8], at: usize, escapes: &mut Escapes) -> Option<usize> {
    let len = match bytes.get(at + 1..)? {
        [b'u', digits @ ..] => {
            let digits = digits.first_chunk::<4>().filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
            escapes.others |= !matches!(digits, [b'0', b'0', b'0'..=b'7', _]);
            6
        }
        [escaped, ..] => ESCAPED.contains(escaped).then_some(2)?,
        [] => return None,
    };
    escapes.longer += len - 1;
    Some(len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    #[test]
    fn what_the_recorder_writes_is_known() {
        let found = members(r#"{"turn_id":"t","text":"a \"b\"\n","more":"é"}"#, ["text", "turn_id", "call_id"]);
        let [Some(text), Some(turn_id), None] = found.expect("plain") else { panic!("{found:?}") };
        assert_eq!((text.verbatim(), text.len, turn_id.verbatim()), (None, Some(6), Some("t")));
    }

    #[test]
    fn numbers_words_and_long_texts_are_known() {
        for text in ["\\n", "\\u001b", "\\\"", "\\\\"].map(|escape| format!("a{escape}").repeat(100)) {
            let object = format!("{{\"a\":\"{text}\",\"b\":-1.5e3,\"c\":null}}");
            let [Some(a), Some(b), Some(c)] = members(&object, ["a", "b", "c"]).expect("plain") else {
                panic!("{object}")
            };
            assert_eq!((a.len, a.verbatim()), (Some(200), None));
            assert_eq!((optional(Some(b)), b.len), (Some(Some(-1500.0)), None));
            assert_eq!(optional(Some(c)), Some(None::<Option<bool>>));
        }
    }

    #[test]
    fn an_escape_is_known_wherever_it_stands_in_a_long_text() {
        for escaped in (b' '..0x7F).map(char::from) {
            for before in 0..2 * BLOCK {
                let object = format!("{{\"a\":\"\\n{:before$}\\{escaped}{:BLOCK$}\"}}", "", "");
                let found = members(&object, ["a"]).and_then(|[a]| a?.len);
                let parsed = serde_json::from_str::<Map<String, Value>>(&object).ok();
                assert_eq!(found, parsed.and_then(|parsed| Some(parsed["a"].as_str()?.len())), "{object}");
            }
        }
    }

    #[test]
    fn anything_else_is_left_to_the_parser() {
        for object in [
            "{}",
            "{ \"a\":\"\"}",
            "{\"a\":01}",
            "{\"a\":nul}",
            "{\"a\":[1]}",
            "{\"a\":\"\"} ",
            "{\"a\":\"\",}",
            "{\"a\":\"\"",
            "{\"a\":\"",
            "{\"a\":\"\\",
            "{\"a\":\"\\u0081\"}",
            "{\"a\":\"\\u007\"}",
            "{\"a\":\"\\u00+1\"}",
            "{\"a\":\"\\ud800\"}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\n\"}",
            "{\"a\":\"\",\"a\":\"\"}",
            "{\"\\u0061\":\"\"}",
            "{\"a\":\"\"}}",
            "{\"a\":{\"a\":\"\"}}",
            "{\"a\" :\"\"}",
            "",
        ] {
            assert_eq!(members(object, ["a"]), None, "{object}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_agrees_with_the_parser(pieces in prop::collection::vec(
            prop::sample::select(&["\"", "\\", "{", "}", ":", ",", "\":\"", "\",\"", "\":", "a", "b", "é", "\n", " ", "u0061", "n", "1",
                "\\n\\\"0123456789012345678901234567890123456789012345678901234567890123456789"][..]),
            0..24,
        )) {
            let object = format!("{{\"a\":\"{}\"}}", pieces.concat());
            if let Some([a, b]) = members(&object, ["a", "b"]) {
                let parsed: Map<String, Value> = serde_json::from_str(&object).expect("it is JSON");
                for (name, found) in [("a", a), ("b", b)] {
                    let expected = parsed.get(name);
                    prop_assert_eq!(found.is_some(), expected.is_some());
                    let expected = expected.and_then(Value::as_str);
                    prop_assert_eq!(found.and_then(|found| found.len), expected.map(str::len));
                    let verbatim = found.and_then(Plain::verbatim);
                    prop_assert!(verbatim.is_none_or(|text| Some(text) == expected), "{}", object);
                }
            }
        }
    }
}
