//! Which entries are asked for, by type and by turn.

use foldlog::Entry;
use serde::Deserialize;
use std::borrow::Cow;

pub(super) struct Filter<'a> {
    pub(super) types: &'a [String],
    pub(super) turn: Option<&'a str>,
}

/// The member of most events' data that says which turn they belong to.
#[derive(Deserialize)]
struct OfTurn<'a> {
    #[serde(borrow, default)]
    turn_id: Option<Cow<'a, str>>,
}

impl Filter<'_> {
    /// Whether anything is left out.
    pub(super) fn is_narrow(&self) -> bool {
        !self.types.is_empty() || self.turn.is_some()
    }

    pub(super) fn takes(&self, entry: &Entry<'_>) -> bool {
        let of_type = self.types.is_empty() || self.types.iter().any(|pattern| matches(pattern, entry.type_name()));
        of_type && self.turn.is_none_or(|turn| is_of_turn(entry, turn))
    }
}

fn is_of_turn(entry: &Entry<'_>, turn: &str) -> bool {
    let of_turn: Result<OfTurn<'_>, _> = serde_json::from_str(entry.data());
    of_turn.is_ok_and(|data| data.turn_id.as_deref() == Some(turn))
}

/// Whether a name fits a pattern in which `*` stands for any characters.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        // The first place it fits leaves the most for what comes behind it.
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, fits) in [
            ("turn_started", "turn_started", true),
            ("turn_started", "turn_started_twice", false),
            ("turn_*", "turn_ended", true),
            ("turn_*", "turns_rewound", false),
            ("*_delta", "text_delta", true),
            ("*_delta", "_delta", true),
            ("*_delta*", "text_delta_x", true),
            ("*", "anything", true),
            ("tool*ed", "tool_call_started", true),
            ("t*t*d", "td", false),
            ("t*t*d", "ttd", true),
            ("ab*ba", "aba", false),
            ("", "turn_started", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
