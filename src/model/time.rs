//! Points in time as the log writes them: UTC, microseconds, always 27 bytes.

use chrono::{DateTime, Datelike, Timelike};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time in UTC with microseconds, between the years 0000 and 9999.
///
/// Written as `2026-11-22T18:45:00.123456Z`. Entries are ordered by their sequence number, never by time: clocks jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// 0000-01-01T00:00:00.000000Z, in microseconds since 1970.
const MIN_MICROS: i64 = -62_167_219_200_000_000;
/// 9999-12-31T23:59:59.999999Z
const MAX_MICROS: i64 = 253_402_300_799_999_999;

impl Timestamp {
    /// How many bytes a written timestamp has.
    pub const LEN: usize = 27;

    /// The clock's reading now.
    pub fn now() -> Timestamp {
        SystemTime::now().into()
    }

    /// From microseconds since 1970, clamped to the years 0000 to 9999.
    pub const fn from_micros(micros: i64) -> Timestamp {
        if micros < MIN_MICROS {
            Timestamp(MIN_MICROS)
        } else if micros > MAX_MICROS {
            Timestamp(MAX_MICROS)
        } else {
            Timestamp(micros)
        }
    }

    /// Microseconds since 1970.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Reads any RFC 3339 timestamp; `None` if it is not one.
    pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
        let time = DateTime::parse_from_rfc3339(text).ok()?;
        Some(Timestamp::from_micros(time.timestamp_micros()))
    }

    /// How long after `earlier` this is; zero if the clock went back.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The 27 bytes.
    pub(crate) fn to_bytes(self) -> [u8; Timestamp::LEN] {
        let mut out = *b"0000-00-00T00:00:00.000000Z";
        let time = DateTime::from_timestamp_micros(self.0).unwrap_or_default();
        digits(&mut out[0..4], time.year().unsigned_abs());
        digits(&mut out[5..7], time.month());
        digits(&mut out[8..10], time.day());
        digits(&mut out[11..13], time.hour());
        digits(&mut out[14..16], time.minute());
        digits(&mut out[17..19], time.second());
        digits(&mut out[20..26], time.timestamp_subsec_micros());
        out
    }

    /// Exactly the form that [`Timestamp::to_bytes`] writes.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Timestamp> {
        let bytes: &[u8; Timestamp::LEN] = bytes.try_into().ok()?;
        // All bytes at once: every line that is read comes by here.
        let shape = bytes.map(|byte| if byte.is_ascii_digit() { b'0' } else { byte });
        if shape != *b"0000-00-00T00:00:00.000000Z" {
            return None;
        }
        let number = |from: usize, to: usize| bytes[from..to].iter().fold(0u32, |n, b| n * 10 + u32::from(b - b'0'));
        let date = chrono::NaiveDate::from_ymd_opt(number(0, 4) as i32, number(5, 7), number(8, 10))?;
        let time = date.and_hms_micro_opt(number(11, 13), number(14, 16), number(17, 19), number(20, 26))?;
        Some(Timestamp(time.and_utc().timestamp_micros()))
    }
}

/// Writes timestamps one after the other: most are of the same second as the one before.
#[derive(Clone, Debug)]
pub(crate) struct Stamp {
    second: i64,
    bytes: [u8; Timestamp::LEN],
}

impl Stamp {
    /// The 27 bytes of `time`.
    pub(crate) fn of(&mut self, time: Timestamp) -> &[u8; Timestamp::LEN] {
        let second = time.0.div_euclid(1_000_000);
        if second == self.second {
            digits(&mut self.bytes[20..26], time.0.rem_euclid(1_000_000) as u32);
        } else {
            *self = Stamp { second, bytes: time.to_bytes() };
        }
        &self.bytes
    }
}

impl Default for Stamp {
    fn default() -> Stamp {
        Stamp { second: 0, bytes: Timestamp(0).to_bytes() }
    }
}

fn digits(out: &mut [u8], mut number: u32) {
    for digit in out.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Timestamp {
        let micros = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros),
        };
        Timestamp::from_micros(micros)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.to_bytes();
        f.write_str(std::str::from_utf8(&bytes).unwrap_or_default())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        Timestamp::parse_rfc3339(&text).ok_or_else(|| serde::de::Error::custom("not an RFC 3339 timestamp"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(micros in MIN_MICROS..=MAX_MICROS) {
            let time = Timestamp(micros);
            prop_assert_eq!(Timestamp::from_bytes(&time.to_bytes()), Some(time));
        }

        #[test]
        fn nothing_else_is_read(micros in MIN_MICROS..=MAX_MICROS, at in 0..Timestamp::LEN, byte: u8) {
            let mut bytes = Timestamp(micros).to_bytes();
            bytes[at] = byte;
            prop_assert!(Timestamp::from_bytes(&bytes).is_none_or(|time| time.to_bytes() == bytes));
        }
    }
}
