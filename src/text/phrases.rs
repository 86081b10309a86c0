//! Words that messages share.

/// A number of things: `1 byte`, `2 bytes`.
pub(crate) fn count(number: u64, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ => format!("{number} {thing}s"),
    }
}

/// What happened and why: `journal closed: eof`. A reason that only repeats what happened is left out.
pub(crate) fn with_reason(what: &str, reason: Option<&str>) -> String {
    match reason {
        Some(reason) if !reason.is_empty() && !what.ends_with(reason) => format!("{what}: {reason}"),
        _ => what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_singular() {
        assert_eq!([0, 1, 2].map(|number| count(number, "byte")), ["0 bytes", "1 byte", "2 bytes"]);
    }

    #[test]
    fn a_reason_that_says_nothing_new_is_left_out() {
        assert_eq!(with_reason("journal closed", Some("closed")), "journal closed");
        assert_eq!(with_reason("journal closed", Some("eof")), "journal closed: eof");
        assert_eq!(with_reason("session ended", None), "session ended");
    }
}
