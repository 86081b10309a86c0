//! Events that callers name themselves: [`Custom`], and [`Unknown`] for types that this version does not know.

use crate::json::{Json, Text};
use serde::{Deserialize, Serialize};

/// The caller's own event with any JSON in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Custom<'a> {
    /// What it is.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// Any JSON.
    #[serde(default = "Json::null")]
    pub value: Json,
}

impl<'a> Custom<'a> {
    /// An event of the caller's own.
    pub fn new(name: impl Into<Text<'a>>, value: Json) -> Custom<'a> {
        Custom { name: name.into(), value }
    }
}

/// An event of a type that this version does not know: the user's own, or a newer version's.
///
/// A type with a dot in it (`acme.map_shown`) stays the user's own for ever.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Unknown<'a> {
    /// Its type.
    pub type_name: Text<'a>,
    /// Its data, as it came.
    pub data: Json,
}

/// The longest event type, in bytes.
pub const MAX_TYPE: usize = 64;

/// Whether `name` can be an event type: 1 to 64 of `[A-Za-z0-9_.:/-]`.
pub fn is_type_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'/' | b'-');
    (1..=MAX_TYPE).contains(&name.len()) && name.bytes().all(plain)
}
