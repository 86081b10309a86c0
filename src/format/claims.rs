//! Which journal a directory's segments belong to, where there may be files of several: decided from headers alone, by
//! one function for readers, recovery and compaction.

use crate::error::{Error, Result};
use crate::format::header::Header;
use std::collections::BTreeMap;

/// What the good header of a segment file says about the file. Only headers that name their own file make a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    journal: String,
    session_id: String,
    /// The last segment that the file replaces; its own number, unless it is compacted.
    through: u64,
}

impl Claim {
    /// The claim of the file with the number `file`.
    pub(crate) fn of(file: u64, header: &Header) -> Option<Claim> {
        let through = header.compacted.as_ref().map_or(file, |compacted| compacted.through);
        let claim = || Claim { journal: header.journal.clone(), session_id: header.session_id.clone(), through };
        (header.segment == file).then(claim)
    }
}

/// The journal that the directory of `session` holds: `files` are the numbers of its segments, in rising order, and
/// `claim` reads the header of one of them, by its place in `files`. `None` if no header makes a claim.
///
/// Reads two headers where the lowest and the newest agree, else each header once.
pub(crate) fn journal_of(
    files: &[u64],
    session: Option<&str>,
    mut claim: impl FnMut(usize) -> Result<Option<Claim>>,
) -> Result<Option<String>> {
    let mut known: Vec<Option<Option<Claim>>> = vec![None; files.len()];
    let mut read = |at: usize| -> Result<Option<Claim>> {
        if known[at].is_none() {
            known[at] = Some(claim(at)?);
        }
        Ok(known[at].clone().flatten())
    };
    let mut first = |is_eligible: &dyn Fn(&Claim) -> bool, places: &mut dyn Iterator<Item = usize>| {
        for at in places {
            if let Some(claim) = read(at)?.filter(is_eligible) {
                return Ok::<_, Error>(Some(claim));
            }
        }
        Ok(None)
    };
    let names_session = |claim: &Claim| session.is_none_or(|session| session == claim.session_id);
    let any = |_: &Claim| true;
    let (lowest, is_eligible): (_, &dyn Fn(&Claim) -> bool) = match first(&names_session, &mut (0..files.len()))? {
        Some(lowest) => (lowest, &names_session),
        None => match first(&any, &mut (0..files.len()))? {
            Some(lowest) => (lowest, &any),
            None => return Ok(None),
        },
    };
    let newest = first(is_eligible, &mut (0..files.len()).rev())?;
    if newest.is_some_and(|newest| newest.journal == lowest.journal) {
        return Ok(Some(lowest.journal));
    }
    let mut claims = Vec::new();
    for at in 0..files.len() {
        claims.extend(read(at)?.filter(is_eligible).map(|claim| (at, claim)));
    }
    Ok(most_numbers(files, &claims))
}

/// The journal with the most file numbers; of several, the one with the lowest segment.
fn most_numbers(files: &[u64], claims: &[(usize, Claim)]) -> Option<String> {
    let mut numbers: BTreeMap<&str, (u64, usize)> = BTreeMap::new();
    for (at, claim) in claims {
        // The files after this one speak for themselves, so that no compaction changes the answer.
        let before_next = files.get(at + 1).map_or(u64::MAX, |next| next - 1);
        let last = claim.through.min(before_next).max(files[*at]);
        let (count, _) = numbers.entry(&claim.journal).or_insert((0, *at));
        *count = count.saturating_add((last - files[*at]).saturating_add(1));
    }
    let best = numbers.into_iter().max_by_key(|(_, (count, lowest))| (*count, std::cmp::Reverse(*lowest)));
    best.map(|(journal, _)| journal.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One file of a small directory.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Kind {
        Absent,
        /// Its header is bad, or names another file.
        Silent,
        Header {
            journal: usize,
            session: usize,
            through: u64,
        },
    }

    const JOURNALS: [&str; 2] = ["a", "b"];
    const SESSIONS: [&str; 2] = ["s", "other"];
    const NUMBERS: u64 = 4;

    /// The rule, in the words of `docs/FORMAT.md`, without any saving of reads.
    fn by_the_words(kinds: &[Kind]) -> Option<&'static str> {
        let files: Vec<(u64, Kind)> =
            (1..).zip(kinds.iter().copied()).filter(|(_, kind)| *kind != Kind::Absent).collect();
        let good = |wanted: Option<usize>| -> Vec<(u64, usize, u64)> {
            let claim = |(at, (file, kind)): (usize, &(u64, Kind))| match kind {
                Kind::Header { journal, session, through } if wanted.is_none_or(|wanted| wanted == *session) => {
                    let next = files.get(at + 1).map_or(u64::MAX, |(next, _)| *next);
                    let numbers = (*file..=*through).filter(|number| number == file || *number < next).count() as u64;
                    Some((*file, *journal, numbers))
                }
                _ => None,
            };
            files.iter().enumerate().filter_map(claim).collect()
        };
        let mut eligible = good(Some(0));
        if eligible.is_empty() {
            eligible = good(None);
        }
        let (first, last) = (eligible.first()?, eligible.last()?);
        if first.1 == last.1 {
            return Some(JOURNALS[first.1]);
        }
        let count = |journal| eligible.iter().filter(|claim| claim.1 == journal).map(|claim| claim.2).sum::<u64>();
        let best = match count(0).cmp(&count(1)) {
            std::cmp::Ordering::Greater => 0,
            std::cmp::Ordering::Less => 1,
            std::cmp::Ordering::Equal => first.1,
        };
        Some(JOURNALS[best])
    }

    /// Goal: every directory has the answer that the format's text gives. Method: all directories of up to four numbers,
    /// each absent, silent, or of one of two journals and sessions, alone or compacted up to any later number.
    #[test]
    fn every_small_directory_has_the_journal_that_the_rule_says() {
        let mut choices = vec![Kind::Absent, Kind::Silent];
        for (journal, session) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            choices.extend([0, 1, 3].map(|more| Kind::Header { journal, session, through: more }));
        }
        let total = choices.len().pow(NUMBERS as u32);
        let mut tried = 0;
        for mut code in 0..total {
            let mut kinds = Vec::new();
            for number in 1..=NUMBERS {
                let kind = match choices[code % choices.len()] {
                    Kind::Header { journal, session, through } => {
                        Kind::Header { journal, session, through: number + through }
                    }
                    kind => kind,
                };
                kinds.push(kind);
                code /= choices.len();
            }
            let present = (1..).zip(&kinds).filter(|(_, kind)| **kind != Kind::Absent);
            let (files, listed): (Vec<u64>, Vec<Kind>) = present.unzip();
            let mut reads = vec![0; files.len()];
            let found = journal_of(&files, Some(SESSIONS[0]), |at| {
                reads[at] += 1;
                Ok(match listed[at] {
                    Kind::Header { journal, session, through } => Some(Claim {
                        journal: JOURNALS[journal].to_owned(),
                        session_id: SESSIONS[session].to_owned(),
                        through,
                    }),
                    _ => None,
                })
            });
            assert_eq!(found.expect("no error").as_deref(), by_the_words(&kinds), "{kinds:?}");
            assert!(reads.iter().all(|reads| *reads <= 1), "{kinds:?} was read {reads:?}");
            tried += 1;
        }
        assert_eq!(tried, total);
    }

    /// Goal: where all is well two headers are read, however many there are. Method: a hundred, counted.
    #[test]
    fn two_headers_are_enough_where_they_agree() {
        let files: Vec<u64> = (1..=100).collect();
        let mut reads = 0;
        let claim = Claim { journal: "a".to_owned(), session_id: "s".to_owned(), through: 1 };
        let found = journal_of(&files, Some("s"), |_| {
            reads += 1;
            Ok(Some(claim.clone()))
        });
        assert_eq!((found.expect("no error").as_deref(), reads), (Some("a"), 2));
    }
}
