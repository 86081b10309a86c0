//! What a gap is: the table of verdicts, as data.
//!
//! A gap is judged from four facts about it and its good neighbours, never from what the bad bytes say. `tests` go
//! through every combination of facts and find exactly one row for each.

use crate::model::gap::GapKind;

/// What is wrong at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// Bytes that are no line of ours.
    BadBytes,
    /// Numbers are missing, and no bytes stand where they should be.
    NoBytes,
    /// The file is missing, or shorter than its seal.
    Short,
    /// Bytes behind the seal.
    BehindSeal,
    /// A number again, with other bytes.
    Again,
    /// A segment in a form that only a newer version reads.
    Newer,
    /// The first line is no good header, or is not there.
    Header,
}

/// The facts about a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) damage: Damage,
    /// Numbers are missing between its good neighbours.
    pub(crate) numbers_missing: bool,
    /// It ends the newest segment: nothing good follows.
    pub(crate) at_end: bool,
    /// A later line of the segment says that the first missing number was synced, the next header is of the same
    /// epoch, or the segment is compacted: what is missing had been on disk.
    pub(crate) was_durable: bool,
}

/// One row: `None` matches both.
#[derive(Debug)]
pub(crate) struct Case {
    damage: Damage,
    numbers_missing: Option<bool>,
    at_end: Option<bool>,
    was_durable: Option<bool>,
    pub(crate) kind: GapKind,
    pub(crate) acknowledged: Option<bool>,
}

const fn case(
    damage: Damage,
    [numbers_missing, at_end, was_durable]: [Option<bool>; 3],
    kind: GapKind,
    acknowledged: Option<bool>,
) -> Case {
    Case { damage, numbers_missing, at_end, was_durable, kind, acknowledged }
}

const YES: Option<bool> = Some(true);
const NO: Option<bool> = Some(false);
const ANY: Option<bool> = None;

/// Every verdict. The columns of facts: numbers missing, at the end, was durable.
pub(crate) const CASES: &[Case] = &[
    case(Damage::BadBytes, [YES, NO, YES], GapKind::Corrupt, YES),
    case(Damage::BadBytes, [YES, NO, NO], GapKind::Hole, ANY),
    case(Damage::BadBytes, [ANY, YES, ANY], GapKind::Torn, ANY),
    case(Damage::BadBytes, [NO, NO, ANY], GapKind::Foreign, ANY),
    case(Damage::Short, [ANY, ANY, ANY], GapKind::Lost, YES),
    case(Damage::BehindSeal, [ANY, ANY, ANY], GapKind::BehindSeal, ANY),
    case(Damage::NoBytes, [ANY, ANY, YES], GapKind::Missing, YES),
    case(Damage::NoBytes, [ANY, ANY, NO], GapKind::Missing, ANY),
    case(Damage::Again, [ANY, ANY, ANY], GapKind::Duplicate, ANY),
    case(Damage::Newer, [ANY, ANY, ANY], GapKind::Unsupported, ANY),
    case(Damage::Header, [ANY, ANY, ANY], GapKind::Header, ANY),
];

impl Case {
    fn matches(&self, facts: Facts) -> bool {
        let fits = |wanted: Option<bool>, fact: bool| wanted.is_none_or(|wanted| wanted == fact);
        self.damage == facts.damage
            && fits(self.numbers_missing, facts.numbers_missing)
            && fits(self.at_end, facts.at_end)
            && fits(self.was_durable, facts.was_durable)
    }
}

/// The row for these facts.
pub(crate) fn judge(facts: Facts) -> &'static Case {
    CASES.iter().find(|case| case.matches(facts)).expect("the table is exhaustive: see its test")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_of_facts_has_exactly_one_row() {
        let mut used = vec![0; CASES.len()];
        let all = [
            Damage::BadBytes,
            Damage::NoBytes,
            Damage::Short,
            Damage::BehindSeal,
            Damage::Again,
            Damage::Newer,
            Damage::Header,
        ];
        for damage in all {
            for bits in 0..8 {
                let facts =
                    Facts { damage, numbers_missing: bits & 1 > 0, at_end: bits & 2 > 0, was_durable: bits & 4 > 0 };
                let rows: Vec<usize> = (0..CASES.len()).filter(|row| CASES[*row].matches(facts)).collect();
                assert_eq!(rows.len(), 1, "{facts:?} has the rows {rows:?}");
                used[rows[0]] += 1;
            }
        }
        let unused: Vec<_> = CASES.iter().zip(&used).filter(|(_, used)| **used == 0).map(|(case, _)| case).collect();
        assert!(unused.is_empty(), "no facts lead to {unused:?}");
    }
}
