//! Passing over JSON without the parser: where its values end, and nothing more of them.
//!
//! It knows JSON without control characters, nested up to 63 levels deep. Of anything else it says nothing, and the parser
//! decides; so it never has another opinion.

use crate::json::fast_path::{self, Escapes};

/// Room for so many members or elements is made at once.
const MOST_OFTEN: usize = 8;

/// Whether a text is one JSON value; `false` also if only the parser can tell.
pub(crate) fn is_json(text: &str) -> bool {
    value(text).is_some()
}

/// The JSON value that a text is, without the blanks around it; `None` also if only the parser can tell.
pub(crate) fn value(text: &str) -> Option<&str> {
    let mut skim = Skim::new(text)?;
    let value = skim.value()?;
    skim.is_at_end().then_some(value)
}

/// The members of an object, in order: names without escapes, and values. `None` also if only the parser can tell.
pub(crate) fn object<'a, N: From<&'a str>>(text: &'a str) -> Option<Vec<(N, &'a str)>> {
    Skim::new(text)?.all([b'{', b'}'], |skim| {
        let name = skim.name()?.strip_prefix('"')?.strip_suffix('"')?;
        let is_verbatim = memchr::memchr(b'\\', name.as_bytes()).is_none();
        is_verbatim.then_some((name.into(), skim.value()?))
    })
}

/// The elements of an array; `None` also if only the parser can tell.
pub(crate) fn array(text: &str) -> Option<Vec<&str>> {
    Skim::new(text)?.all([b'[', b']'], Skim::value)
}

/// A place in a text.
struct Skim<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Skim<'a> {
    /// At the beginning of a text; `None` if it has control characters, which JSON allows in no string.
    fn new(text: &'a str) -> Option<Skim<'a>> {
        (!fast_path::has_control_characters(text)).then_some(Skim { text, at: 0 })
    }

    /// What follows the next blanks.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at) == Some(&b' ') {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// Passes over one of these bytes, and says whether it is the first of them.
    fn pass(&mut self, [first, second]: [u8; 2]) -> Option<bool> {
        let found = self.peek().filter(|found| *found == first || *found == second)?;
        self.at += 1;
        Some(found == first)
    }

    /// All that stands between these brackets, up to the end of the text.
    fn all<T>(&mut self, [begin, end]: [u8; 2], one: impl Fn(&mut Skim<'a>) -> Option<T>) -> Option<Vec<T>> {
        self.pass([begin, begin])?;
        let mut all = Vec::new();
        if self.peek()? == end {
            self.at += 1;
        } else {
            all.reserve(MOST_OFTEN);
            loop {
                all.push(one(self)?);
                if !self.pass([b',', end])? {
                    break;
                }
            }
        }
        self.is_at_end().then_some(all)
    }

    /// A member's name, as JSON, with the colon after it.
    fn name(&mut self) -> Option<&'a str> {
        self.peek()?;
        let name = self.string()?;
        self.pass([b':', b':'])?;
        Some(name)
    }

    fn string(&mut self) -> Option<&'a str> {
        let from = self.at;
        self.at = fast_path::string_end(self.text.as_bytes(), from, &mut Escapes::default())?;
        self.text.get(from..self.at)
    }

    /// A number or a word.
    fn scalar(&mut self) -> Option<()> {
        let rest = self.text.get(self.at..)?;
        let ends = |byte: u8| matches!(byte, b',' | b'}' | b']' | b' ');
        let len = rest.bytes().position(ends).unwrap_or(rest.len());
        self.at += len;
        fast_path::is_scalar(rest.get(..len)?).then_some(())
    }

    fn value(&mut self) -> Option<&'a str> {
        self.peek()?;
        let from = self.at;
        // The kinds of what is open, the innermost in the lowest bit: 1 for an object. The highest bit is no kind.
        let mut open = 1u64;
        loop {
            match self.peek()? {
                b'"' => drop(self.string()?),
                bracket @ (b'{' | b'[') => {
                    self.at += 1;
                    let is_object = bracket == b'{';
                    if self.peek()? == bracket + 2 {
                        self.at += 1; // nothing is in it
                    } else {
                        open = open.checked_mul(2)? | u64::from(is_object);
                        if is_object {
                            self.name()?;
                        }
                        continue;
                    }
                }
                _ => self.scalar()?,
            }
            loop {
                if open == 1 {
                    return self.text.get(from..self.at);
                }
                let is_object = open & 1 == 1;
                if self.pass([b',', if is_object { b'}' } else { b']' }])? {
                    if is_object {
                        self.name()?;
                    }
                    break;
                }
                open /= 2;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::de::IgnoredAny;
    use serde_json::value::RawValue;
    use std::collections::BTreeMap;

    /// Whether the parser agrees with what is found in a text, and whether anything is.
    fn check(text: &str) -> bool {
        let found = value(text);
        if let Some(found) = found {
            let parsed = serde_json::from_str::<&RawValue>(text).expect(text);
            assert_eq!(found, parsed.get());
        }
        if let Some(found) = array(text) {
            let parsed = serde_json::from_str::<Vec<&RawValue>>(text).expect(text);
            assert_eq!(found, parsed.into_iter().map(RawValue::get).collect::<Vec<_>>());
        }
        if let Some(found) = object::<&str>(text) {
            let parsed = serde_json::from_str::<BTreeMap<String, &RawValue>>(text).expect(text);
            let parsed: BTreeMap<&str, &str> = parsed.iter().map(|(name, value)| (&**name, value.get())).collect();
            assert_eq!(found.into_iter().collect::<BTreeMap<_, _>>(), parsed);
        }
        found.is_some()
    }

    #[test]
    fn what_people_write_is_known() {
        for text in [
            "0",
            "-1.5e+3",
            "null",
            "true",
            "false",
            "\"\"",
            "{}",
            "[]",
            "[[], {}]",
            " { \"a\" : [ 1 , \"b\" ] } ",
            r#"{"a":{"b":[{"c":"\"\\\/\b\f\n\r\t\u2028\ud83e\udd80\ud800"}]},"é":1}"#,
        ] {
            assert!(check(text), "{text}");
        }
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(check(&deep(63)), "as deep as the bits");
        assert!(!check(&deep(65)), "deeper: the parser decides");
        assert!(!check("{\n}"), "the parser decides");
    }

    #[test]
    fn what_is_no_json_is_not_taken_for_it() {
        for text in [
            "",
            " ",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "+1",
            "nul",
            "truee",
            "\"",
            "\"\\",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u12g4\"",
            "{",
            "}",
            "[",
            "]",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{,}",
            "{1:1}",
            "{\"a\":1]",
            "[1}",
            "1 1",
            "{} {}",
            "[]]",
            "\"a\tb\"",
            "{\"a\" 1}",
            "é",
            "1é",
            "[1\u{a0}]",
        ] {
            assert!(serde_json::from_str::<IgnoredAny>(text).is_err(), "{text}");
            assert!(!check(text), "{text}");
        }
    }

    /// A JSON text of few levels, with blanks in it.
    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            prop::sample::select(
                &["null", "true", "0", "-1", "12.5e-3", "1E9", "18446744073709551616", "\"\\ud800\"", "\"\\u00e9\""][..]
            )
            .prop_map(str::to_owned),
            ".{0,80}".prop_map(|text: String| serde_json::to_string(&text).expect("a string")),
        ];
        let blank = || prop::sample::select(&["", "", "", " "][..]);
        leaf.prop_recursive(5, 40, 5, move |inner| {
            let joined = |parts: Vec<String>, blank: &str| parts.join(&format!("{blank},{blank}"));
            let member = ("[a-c\"\\\\é]{0,3}", inner.clone())
                .prop_map(|(name, value)| format!("{}:{value}", serde_json::to_string(&name).expect("a string")));
            prop_oneof![
                (prop::collection::vec(inner, 0..5), blank())
                    .prop_map(move |(all, blank)| format!("[{blank}{}{blank}]", joined(all, blank))),
                (prop::collection::vec(member, 0..5), blank())
                    .prop_map(move |(all, blank)| format!("{{{blank}{}{blank}}}", joined(all, blank))),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

        /// Goal: no text is taken for JSON that the parser refuses, and none is read otherwise. Method: random JSON, all of
        /// which is known but for names with escapes, and the same with bytes exchanged, put in and taken out.
        #[test]
        fn it_agrees_with_the_parser(
            text in json(),
            edits in prop::collection::vec((any::<prop::sample::Index>(), 0..3, prop::sample::select(&b"\"\\{}[]:, 01-.eEnu\n\x01a"[..])), 0..4),
        ) {
            prop_assert!(check(&text), "{}", text);
            let mut bytes = text.into_bytes();
            for (at, edit, byte) in edits {
                let at = at.index(bytes.len().max(1));
                match edit {
                    0 if at < bytes.len() => bytes[at] = byte,
                    1 if at < bytes.len() => drop(bytes.remove(at)),
                    _ => bytes.insert(at.min(bytes.len()), byte),
                }
            }
            check(&String::from_utf8_lossy(&bytes));
        }
    }
}
