//! Values that arguments may have: time spans and speeds.

use foldlog::Timestamp;
use std::time::{Duration, SystemTime};

/// From when on a session counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    Ago(Duration),
    At(Timestamp),
}

/// `30m`, `12h`, `2d`, `1w`, or an RFC 3339 time.
pub(crate) fn parse_since(text: &str) -> Result<Since, String> {
    if let Some(time) = Timestamp::parse_rfc3339(text) {
        return Ok(Since::At(time));
    }
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        Some('w') => 7 * 86_400,
        _ => 0,
    };
    let number = text.get(..text.len().saturating_sub(1)).and_then(|digits| digits.parse::<u64>().ok());
    match number.and_then(|number| number.checked_mul(unit)) {
        Some(seconds) if unit > 0 => Ok(Since::Ago(Duration::from_secs(seconds))),
        _ => Err("give a time span such as 30m, 12h, 2d or 1w, or a time such as 2026-11-22T18:45:00Z".to_owned()),
    }
}

impl Since {
    /// The moment itself.
    pub(crate) fn begins(self) -> Timestamp {
        match self {
            Since::Ago(span) => {
                SystemTime::now().checked_sub(span).map_or(Timestamp::from_micros(i64::MIN), Into::into)
            }
            Since::At(time) => time,
        }
    }
}

/// How often: `100ms`, `2s`, `1m`; at least a millisecond.
pub(crate) fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = match text.strip_suffix("ms") {
        Some(digits) => digits.parse().ok().map(Duration::from_millis),
        None => match parse_since(text) {
            Ok(Since::Ago(span)) => Some(span),
            _ => None,
        },
    };
    interval.filter(|span| !span.is_zero()).ok_or_else(|| "give an interval such as 100ms, 2s or 1m".to_owned())
}

/// A speed: a number that is not negative.
pub(crate) fn parse_speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed >= 0.0 && speed.is_finite() => Ok(speed),
        _ => Err("give a number such as 1, 2.5 or 0 for no pauses".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval() {
        assert_eq!(parse_interval("100ms"), Ok(Duration::from_millis(100)));
        assert_eq!(parse_interval("2s"), Ok(Duration::from_secs(2)));
        for wrong in ["", "0s", "0ms", "5", "ms", "2026-11-22T18:45:00Z"] {
            assert!(parse_interval(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_time_span_or_a_time() {
        assert_eq!(parse_since("2d"), Ok(Since::Ago(Duration::from_secs(172_800))));
        assert_eq!(parse_since("90s"), Ok(Since::Ago(Duration::from_secs(90))));
        assert!(matches!(parse_since("2026-11-22T18:45:00Z"), Ok(Since::At(_))));
        for wrong in ["", "d", "2", "-2d", "2 d", "2é", "99999999999999999999d"] {
            assert!(parse_since(wrong).is_err(), "{wrong}");
        }
    }
}
