//! A secret found in a text.

use std::ops::Range;

/// A secret in a text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    /// Where what shows that it is one begins: at its name, or at the secret itself.
    pub(super) begin: usize,
    pub(super) range: Range<usize>,
    pub(super) kind: &'static str,
}

impl Found {
    /// One that needs nothing around it.
    pub(super) fn alone(range: Range<usize>, kind: &'static str) -> Found {
        Found { begin: range.start, range, kind }
    }
}

/// Looks for a secret around a pair of bytes: the text, where the pair stands, and the place before which all is settled.
pub(crate) type Form = fn(&[u8], usize, usize) -> Option<Found>;
