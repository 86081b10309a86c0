//! A JSON object whose members are looked at one by one, leniently: a member of an unexpected kind is as good as absent,
//! and spoils no other.

use crate::json::{Json, Text, fast_path, skim};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// The members of an object, in the order in which they came, each as its raw text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object<'a> {
    members: Vec<(Text<'a>, &'a str)>,
}

impl<'a> Object<'a> {
    /// Reads an object; `None` if the text is not one.
    pub(crate) fn parse(text: &'a str) -> Option<Object<'a>> {
        if let Some(members) = skim::object(text) {
            return Some(Object { members });
        }
        // The parser's error would quote a string, which may be long.
        text.trim_start().starts_with('{').then(|| serde_json::from_str(text).ok()).flatten()
    }

    /// The members in order.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.members.iter().map(|(key, value)| (key.as_str(), *value))
    }

    /// The raw text of a member; the last one where it is repeated.
    pub(crate) fn raw(&self, key: &str) -> Option<&'a str> {
        self.members.iter().rev().find(|(name, _)| name == key).map(|(_, value)| *value)
    }

    /// A member that is there and not `null`.
    pub(crate) fn some(&self, key: &str) -> Option<&'a str> {
        self.raw(key).filter(|raw| *raw != "null")
    }

    pub(crate) fn text(&self, key: &str) -> Option<Text<'a>> {
        text(self.raw(key)?)
    }

    pub(crate) fn object(&self, key: &str) -> Option<Object<'a>> {
        Object::parse(self.raw(key)?)
    }

    /// The elements of an array, as raw text.
    pub(crate) fn array(&self, key: &str) -> Option<Vec<&'a str>> {
        array(self.raw(key)?)
    }

    pub(crate) fn is_true(&self, key: &str) -> bool {
        self.raw(key) == Some("true")
    }

    pub(crate) fn u64(&self, key: &str) -> Option<u64> {
        self.raw(key)?.parse().ok()
    }

    pub(crate) fn f64(&self, key: &str) -> Option<f64> {
        let raw = self.raw(key)?;
        raw.parse().ok().filter(|number: &f64| number.is_finite())
    }

    pub(crate) fn json(&self, key: &str) -> Option<Json> {
        self.some(key).and_then(|raw| Json::parse(raw).ok())
    }
}

/// The string that a raw value is.
pub(crate) fn text(raw: &str) -> Option<Text<'_>> {
    if let Some(text) = fast_path::verbatim(raw) {
        return Some(text.into());
    }
    raw.starts_with('"').then(|| serde_json::from_str(raw).ok()).flatten()
}

/// The words of a content: the string that it is, or the texts of its parts, a line each.
pub(crate) fn words(content: &str) -> String {
    if let Some(words) = text(content) {
        return words.into_string();
    }
    let parts = array(content).unwrap_or_default();
    let texts = parts.iter().filter_map(|part| Some(Object::parse(part)?.text("text")?.into_string()));
    texts.collect::<Vec<String>>().join("\n")
}

/// The elements of the array that a raw value is.
pub(crate) fn array(raw: &str) -> Option<Vec<&str>> {
    if let Some(elements) = skim::array(raw) {
        return Some(elements);
    }
    let elements =
        raw.trim_start().starts_with('[').then(|| serde_json::from_str::<Vec<&RawValue>>(raw).ok()).flatten()?;
    Some(elements.into_iter().map(RawValue::get).collect())
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object<'a>, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<_, &RawValue>()? {
                    members.push((name, value.get()));
                }
                Ok(Object { members })
            }
        }
        deserializer.deserialize_map(Members)
    }
}
