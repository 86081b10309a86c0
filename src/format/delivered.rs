//! Which entries a segment has given out: their numbers and checksums, in the least memory.

/// Numbers in rising order, each with its checksum. Most follow their neighbour: only the first of each run is kept.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The first number of each run, and how many entries stand before it.
    runs: Vec<(u64, usize)>,
    checksums: Vec<u32>,
    /// The last number.
    last: u64,
}

impl Seen {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.checksums.len()
    }

    /// Adds a number, which is higher than all before it.
    pub(crate) fn push(&mut self, seq: u64, crc: u32) {
        if self.runs.is_empty() || seq != self.last + 1 {
            self.runs.push((seq, self.checksums.len()));
        }
        self.checksums.push(crc);
        self.last = seq;
    }

    /// Whether this number was there with this checksum.
    pub(crate) fn has(&self, seq: u64, crc: u32) -> bool {
        let behind = self.runs.partition_point(|(first, _)| *first <= seq);
        let Some((first, before)) = behind.checked_sub(1).map(|run| self.runs[run]) else { return false };
        let end = self.runs.get(behind).map_or(self.checksums.len(), |(_, before)| *before);
        let run = &self.checksums[before..end];
        usize::try_from(seq - first).ok().and_then(|at| run.get(at)) == Some(&crc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_known_with_their_checksums_and_those_between_runs_are_not() {
        let mut seen = Seen::default();
        assert!(!seen.has(0, 0));
        let numbers = [1, 2, 3, 7, 9, 10, u64::MAX];
        numbers.iter().for_each(|seq| seen.push(*seq, *seq as u32 ^ 5));
        assert_eq!(seen.len(), numbers.len());
        for seq in (0..20).chain([u64::MAX - 1, u64::MAX]) {
            assert_eq!(seen.has(seq, seq as u32 ^ 5), numbers.contains(&seq), "{seq}");
            assert!(!seen.has(seq, seq as u32), "{seq}");
        }
    }
}
