//! Sums of money for people.

/// A cost in dollars, to the hundredth of a cent: `$0.0123`, `-$1.5000`. What is shown as nothing has no sign.
pub fn dollars(micros: i64) -> String {
    let parts = (u128::from(micros.unsigned_abs()) + 50) / 100;
    let sign = if micros < 0 && parts > 0 { "-" } else { "" };
    format!("{sign}${}.{:04}", parts / 10_000, parts % 10_000)
}

#[cfg(test)]
mod tests {
    use super::dollars;

    #[test]
    fn what_is_shown_as_nothing_has_no_sign() {
        let shown = [0, 1, -1, 49, -49, 50, -50, 123_456, -1_500_000, i64::MAX, i64::MIN].map(dollars);
        let plain =
            ["$0.0000", "$0.0000", "$0.0000", "$0.0000", "$0.0000", "$0.0001", "-$0.0001", "$0.1235", "-$1.5000"];
        assert_eq!(shown[..9], plain);
        assert_eq!(shown[9..], ["$9223372036854.7758", "-$9223372036854.7758"]);
    }
}
