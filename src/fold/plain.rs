//! A short cut past the JSON parser for the many small events of streaming, of which the summary needs very little.
//!
//! It knows only objects as the recorder writes them: strings alone, no space between them, and only escapes of two
//! characters. Of anything else it says nothing, and the parser decides; so it never has another opinion.

/// Escapes of two characters, which stand for one byte each.
const ESCAPED: &[u8] = b"\"\\/bfnrt";

/// A string as it stands in the line.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Plain<'a> {
    between_quotes: &'a str,
    /// How many bytes it has without its escapes.
    pub(super) len: usize,
}

impl<'a> Plain<'a> {
    /// The string, if no escape stands in it.
    pub(super) fn verbatim(self) -> Option<&'a str> {
        (self.len == self.between_quotes.len()).then_some(self.between_quotes)
    }
}

/// The members of these names of an object that holds nothing but strings; `None` if only the parser can tell.
pub(super) fn members<'a, const N: usize>(object: &'a str, names: [&str; N]) -> Option<[Option<Plain<'a>>; N]> {
    // JSON allows none of these in a string, and nothing is outside of one here.
    if object.bytes().fold(false, |any, byte| any | (byte < b' ')) {
        return None;
    }
    let mut found = [None; N];
    let mut rest = object.strip_prefix("{\"")?;
    loop {
        let (name, after) = string(rest)?;
        let (value, after) = string(after.strip_prefix(":\"")?)?;
        let name = name.verbatim()?;
        if let Some(at) = names.iter().position(|wanted| *wanted == name)
            && found[at].replace(value).is_some()
        {
            return None;
        }
        match after.strip_prefix(",\"") {
            Some(next) => rest = next,
            None => return (after == "}").then_some(found),
        }
    }
}

/// The string that `text` begins with, its first quote gone, and what stands behind it.
fn string(text: &str) -> Option<(Plain<'_>, &str)> {
    let (mut at, mut escapes) = (0, 0);
    loop {
        at += memchr::memchr2(b'"', b'\\', text.as_bytes().get(at..)?)?;
        if text.as_bytes()[at] == b'"' {
            let (between_quotes, rest) = text.split_at(at);
            return Some((Plain { between_quotes, len: at - escapes }, &rest[1..]));
        }
        ESCAPED.contains(text.as_bytes().get(at + 1)?).then_some(())?;
        escapes += 1;
        at += 2;
    }
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
        assert_eq!((text.verbatim(), text.len, turn_id.verbatim()), (None, 6, Some("t")));
    }

    #[test]
    fn anything_else_is_left_to_the_parser() {
        for object in [
            "{}",
            "{ \"a\":\"\"}",
            "{\"a\":1}",
            "{\"a\":null}",
            "{\"a\":\"\"} ",
            "{\"a\":\"\",}",
            "{\"a\":\"\"",
            "{\"a\":\"",
            "{\"a\":\"\\",
            "{\"a\":\"\\u0041\"}",
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
            prop::sample::select(&["\"", "\\", "{", "}", ":", ",", "\":\"", "\",\"", "a", "b", "é", "\n", " ", "u0061", "n", "1"][..]),
            0..24,
        )) {
            let object = format!("{{\"a\":\"{}\"}}", pieces.concat());
            if let Some([a, b]) = members(&object, ["a", "b"]) {
                let parsed: Map<String, Value> = serde_json::from_str(&object).expect("it is JSON");
                for (name, found) in [("a", a), ("b", b)] {
                    let expected = parsed.get(name).map(|value| value.as_str().expect("a string"));
                    prop_assert_eq!(found.map(|found| found.len), expected.map(str::len));
                    let verbatim = found.and_then(Plain::verbatim);
                    prop_assert!(verbatim.is_none_or(|text| Some(text) == expected), "{}", object);
                }
            }
        }
    }
}
