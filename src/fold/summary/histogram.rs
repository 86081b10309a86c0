//! How long things took: a histogram of fixed resolution, so that percentiles over any number of them take little room.
//!
//! Whole microseconds. Up to 127 of them each has a bucket of its own; above, every doubling is cut into 64 equal
//! buckets. A bucket is reported by its middle, which is at most 1/128 of a duration away from any in it. Sums, counts
//! and the extremes are exact, and merging is addition: in whatever order, the result is the same.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// How many buckets a doubling has.
const STEPS: u64 = 64;
/// Longer ones count as this: 285 years.
const LONGEST_MICROS: u64 = 1 << 53;

/// How long a number of things took.
///
/// [`Durations::percentile_ms`] is at most 0.8 % off; everything else is exact to the microsecond.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    count: u64,
    total_micros: u64,
    min_micros: u64,
    max_micros: u64,
    buckets: BTreeMap<u16, u64>,
}

impl Durations {
    /// Adds one, in milliseconds; `false` if it is none: not finite, or negative.
    pub fn add_ms(&mut self, ms: f64) -> bool {
        if !ms.is_finite() || ms < 0.0 {
            return false;
        }
        // Saturates.
        let micros = ((ms * 1000.0).round() as u64).min(LONGEST_MICROS);
        self.min_micros = if self.count == 0 { micros } else { self.min_micros.min(micros) };
        self.max_micros = self.max_micros.max(micros);
        self.count += 1;
        self.total_micros = self.total_micros.saturating_add(micros);
        *self.buckets.entry(bucket(micros)).or_default() += 1;
        true
    }

    /// Adds all of another one's.
    pub fn merge(&mut self, other: &Durations) {
        if other.count == 0 {
            return;
        }
        self.min_micros = if self.count == 0 { other.min_micros } else { self.min_micros.min(other.min_micros) };
        self.max_micros = self.max_micros.max(other.max_micros);
        self.count += other.count;
        self.total_micros = self.total_micros.saturating_add(other.total_micros);
        for (bucket, count) in &other.buckets {
            *self.buckets.entry(*bucket).or_default() += count;
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// All together, in milliseconds.
    pub fn total_ms(&self) -> f64 {
        millis(self.total_micros)
    }

    /// The longest one, in milliseconds.
    pub fn max_ms(&self) -> Option<f64> {
        (self.count > 0).then(|| millis(self.max_micros))
    }

    /// The shortest duration that `percent` of them do not exceed (nearest rank), in milliseconds; `None` if there are
    /// none.
    pub fn percentile_ms(&self, percent: u8) -> Option<f64> {
        let rank = (u128::from(self.count) * u128::from(percent.min(100))).div_ceil(100).max(1);
        let mut below = 0u128;
        let (at, _) = self.buckets.iter().find(|(_, count)| {
            below += u128::from(**count);
            below >= rank
        })?;
        Some(millis(middle(*at).clamp(self.min_micros, self.max_micros)))
    }
}

impl Serialize for Durations {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Durations", 5)?;
        out.serialize_field("count", &self.count)?;
        out.serialize_field("total_ms", &self.total_ms())?;
        out.serialize_field("p50_ms", &self.percentile_ms(50))?;
        out.serialize_field("p95_ms", &self.percentile_ms(95))?;
        out.serialize_field("max_ms", &self.max_ms())?;
        out.end()
    }
}

/// Which bucket a duration falls into.
fn bucket(micros: u64) -> u16 {
    let shift = u64::from((micros | 1).ilog2()).saturating_sub(6);
    // At most 64 * 47 + 127.
    (STEPS * shift + (micros >> shift)) as u16
}

/// The middle of a bucket.
fn middle(bucket: u16) -> u64 {
    let bucket = u64::from(bucket);
    let shift = (bucket / STEPS).saturating_sub(1);
    ((bucket - STEPS * shift) << shift) + ((1 << shift) >> 1)
}

fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(all: &[u64]) -> Durations {
        let mut durations = Durations::default();
        all.iter().for_each(|micros| assert!(durations.add_ms(*micros as f64 / 1000.0)));
        durations
    }

    #[test]
    fn what_is_no_duration_is_not_counted() {
        let mut durations = Durations::default();
        for ms in [f64::NAN, f64::INFINITY, -1.0] {
            assert!(!durations.add_ms(ms));
        }
        assert_eq!((durations.percentile_ms(50), durations.max_ms()), (None, None));
        assert!(durations.add_ms(1e300));
        assert_eq!(durations.percentile_ms(100), Some(LONGEST_MICROS as f64 / 1000.0));
    }

    #[test]
    fn buckets_follow_each_other_without_holes() {
        let mut last = 0;
        for micros in (0..100_000).chain((17..53).flat_map(|bit| [(1 << bit) - 1, 1 << bit])) {
            let at = bucket(micros);
            assert!(at >= last, "{micros}");
            last = at;
            assert!(middle(at).abs_diff(micros) * 128 <= micros, "{micros}: {}", middle(at));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_percentile_is_at_most_one_in_128_off(
            mut all in prop::collection::vec(prop_oneof![0u64..1_000, 0u64..100_000_000, 0u64..1 << 50], 1..200),
            percent in 0u8..=100,
        ) {
            let durations = of(&all);
            all.sort_unstable();
            let rank = (all.len() * usize::from(percent)).div_ceil(100).max(1);
            let exact = all[rank - 1] as f64 / 1000.0;
            let found = durations.percentile_ms(percent).expect("there are some");
            prop_assert!((found - exact).abs() <= exact / 128.0 + 1e-9, "{found} for {exact}");
        }

        #[test]
        fn merging_is_adding_in_any_order(
            a in prop::collection::vec(0u64..1 << 40, 0..50),
            b in prop::collection::vec(0u64..1 << 40, 0..50),
        ) {
            let (mut ab, mut ba) = (of(&a), of(&b));
            ab.merge(&of(&b));
            ba.merge(&of(&a));
            prop_assert_eq!(&ab, &ba);
            prop_assert_eq!(&ab, &of(&[a, b].concat()));
        }
    }
}
