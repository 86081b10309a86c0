//! The two kinds of values that events carry: [`Text`], borrowed where it can be, and [`Json`], kept as it came.

pub(crate) mod escape;
pub(crate) mod fast_path;
pub(crate) mod members;
pub(crate) mod object;
pub(crate) mod quote;
mod skim;

use escape::{escape_line_separators, make_fit};
use fast_path::Plain;
use indexmap::IndexMap;
use quote::quote;
use serde::de::{self, DeserializeOwned};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;

/// A string of an event, borrowed from the line it was read from wherever no escape stands in it.
///
/// Makes itself from `&str` and `String` and behaves like a `&str`.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    /// The string itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The string, copied only if it was borrowed.
    pub fn into_string(self) -> String {
        self.0.into_owned()
    }

    /// Writes it as a JSON string to the end of `out`, fit to stand in a line.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        write_text(&self.0, out);
    }

    /// The same text without a borrow.
    pub fn into_owned(self) -> Text<'static> {
        Text(Cow::Owned(self.0.into_owned()))
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Text<'a> {
        Text(Cow::Borrowed(text))
    }
}

impl<'a> From<&'a String> for Text<'a> {
    fn from(text: &'a String) -> Text<'a> {
        Text(Cow::Borrowed(text))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Text(Cow::Owned(text))
    }
}

impl<'a> From<Cow<'a, str>> for Text<'a> {
    fn from(text: Cow<'a, str>) -> Text<'a> {
        Text(text)
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

// By hand, because serde's derive borrows a `Cow` only where it is the field itself and not inside an `Option`.
impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text<'a>, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Cow<'de, str>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
                Ok(Cow::Borrowed(text))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Cow<'de, str>, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
            fn visit_string<E: de::Error>(self, text: String) -> Result<Cow<'de, str>, E> {
                Ok(Cow::Owned(text))
            }
        }
        deserializer.deserialize_str(Visitor).map(Text)
    }
}

/// Any JSON value, kept token for token: numbers of any size, the order of keys and repeated keys survive.
///
/// Serialise it with `serde_json`; other formats do not know raw JSON.
#[derive(Clone)]
pub struct Json(Source);

#[derive(Clone)]
enum Source {
    Raw(Box<RawValue>),
    /// A value that was found to be one without the parser.
    Skimmed(Box<str>),
    /// A text on its way into a log, where it is written as a JSON string without being one before.
    Text(Box<Quotable>),
}

/// A text, and the JSON string of it once somebody asks for that.
#[derive(Clone)]
struct Quotable {
    text: Box<str>,
    quoted: OnceLock<Box<str>>,
}

impl Json {
    /// `null`
    pub fn null() -> Json {
        Json::raw(RawValue::NULL.to_owned())
    }

    /// `{}`
    pub fn empty_object() -> Json {
        Json::parse("{}").expect("an empty object is JSON")
    }

    fn raw(raw: Box<RawValue>) -> Json {
        Json(Source::Raw(raw))
    }

    /// A value that was found past the parser.
    pub(crate) fn of_plain(plain: Plain<'_>) -> Option<Json> {
        match plain.as_string() {
            Some(json) => Some(Json(Source::Skimmed(json.into()))),
            None => plain.parse(),
        }
    }

    /// Checks that `text` is one JSON value and keeps it as it is.
    pub fn parse(text: &str) -> serde_json::Result<Json> {
        match skim::value(text) {
            Some(value) => Ok(Json(Source::Skimmed(value.into()))),
            None => serde_json::from_str(text),
        }
    }

    /// Serialises a value.
    pub fn new(value: &(impl Serialize + ?Sized)) -> serde_json::Result<Json> {
        serde_json::value::to_raw_value(value).map(Json::raw)
    }

    /// A JSON string.
    pub fn string(text: &str) -> Json {
        Json(Source::Text(Box::new(Quotable { text: text.into(), quoted: OnceLock::new() })))
    }

    /// The JSON text.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Source::Raw(raw) => raw.get(),
            Source::Skimmed(json) => json,
            Source::Text(string) => string
                .quoted
                .get_or_init(|| serde_json::to_string(&string.text).expect("a string is always JSON").into_boxed_str()),
        }
    }

    /// Writes it to the end of `out`, fit to stand in a line.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match &self.0 {
            Source::Text(string) => write_text(&string.text, out),
            Source::Raw(_) | Source::Skimmed(_) => {
                let start = out.len();
                out.extend_from_slice(self.as_str().as_bytes());
                make_fit(out, start);
            }
        }
    }

    /// Decodes the value.
    pub fn decode<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_str(self.as_str())
    }

    /// The string, if the value is one that Unicode can hold.
    pub fn to_text(&self) -> Option<String> {
        match &self.0 {
            Source::Text(string) => Some(string.text.to_string()),
            Source::Raw(_) | Source::Skimmed(_) => self.as_str().starts_with('"').then(|| self.decode().ok()).flatten(),
        }
    }

    /// Whether the value is `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.0, Source::Raw(_) | Source::Skimmed(_)) && self.as_str() == "null"
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Source::Raw(raw) => raw.serialize(serializer),
            // Only the parser makes the raw value that keeps it token for token.
            Source::Skimmed(json) => {
                serde_json::from_str::<&RawValue>(json).map_err(ser::Error::custom)?.serialize(serializer)
            }
            Source::Text(string) => serializer.serialize_str(&string.text),
        }
    }
}

// By hand, so that an explicit `null` inside an `Option<Json>` field stays a `null` where the field asks for it.
impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Json::raw)
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Json) -> bool {
        self.as_str() == other.as_str()
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    let start = out.len();
    quote(text, out);
    // It holds no line break, and not what a line begins with: its quotes are escaped.
    escape_line_separators(out, start);
}

/// A field whose explicit `null` is a value and not an absence. Use with `#[serde(default)]`.
pub(crate) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

/// A field whose explicit `null` means the same as its absence. Use with `#[serde(default)]`.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Free-form members beside an event or a record, in the order in which they came.
pub type Metadata = IndexMap<String, Json>;

/// Merges `patch` into `metadata` by key; a `null` removes its key.
pub(crate) fn merge_metadata(metadata: &mut Metadata, patch: Metadata) {
    let (removed, set): (Metadata, Metadata) = patch.into_iter().partition(|(_, value)| value.is_null());
    if !removed.is_empty() {
        metadata.retain(|key, _| !removed.contains_key(key));
    }
    metadata.extend(set);
}

/// Whether a text is one JSON value, by a scan that keeps nothing of it.
pub(crate) fn is_json(text: &str) -> bool {
    skim::is_json(text) || serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}
