//! Numbers that a follower has told as missing, and that come after all: where somebody fills a copy of a journal, its files
//! come in any order, and in parts.

use super::lookout::Evidence;
use super::segments::Walk;
use super::{Item, Items};
use crate::error::Result;
use crate::model::cursor::Cursor;
use crate::model::gap::{Gap, GapKind};
use crate::model::seq::Seq;

/// After this many entries past a missing number, in another segment, starting at the next missing number is cheaper.
const NEAR: u32 = 4096;

/// Numbers that had been missing are there, or are not missing any more.
struct Come {
    /// Everything after this number is read again.
    after: u64,
    /// The epoch of the entry that has come, if its header is good.
    epoch_id: Option<String>,
}

impl Items {
    /// Notes that the numbers of a gap may come after all, if they can.
    pub(super) fn note_lacking(&mut self, gap: &Gap) {
        // What the log itself accounts for never comes.
        let may_come = !gap.explained || gap.kind == GapKind::Unsupported;
        if let Some((first, last)) = seqs_of(gap).filter(|_| self.growing && may_come) {
            self.seen.note_lacking(first.max(self.known.saturating_add(1)), last);
            (self.lookout.checked, self.lookout.suspect) = (None, None);
        }
    }

    /// Resumes: numbers that are missing are looked for at once, but for a reader that had only closed its files, which
    /// gives `checked`.
    pub(super) fn resume_lookout(&mut self, checked: Option<Evidence>) -> Result<()> {
        if self.seen.lacking.is_empty() || self.undecided {
            return Ok(());
        }
        let Some(checked) = checked else { return self.look_for_lacking() };
        let now = self.evidence()?;
        self.lookout.suspect = (!checked.agrees(&now)).then_some(now);
        self.lookout.checked = Some(checked);
        Ok(())
    }

    /// Whether it is open if missing numbers have come, so that the files have to be looked at again soon.
    pub(crate) fn is_looking_out(&self) -> bool {
        !self.seen.lacking.is_empty() && (self.lookout.checked.is_none() || self.lookout.suspect.is_some())
    }

    /// What there was when missing numbers were looked for last, unless that is open again.
    pub(super) fn checked(&self) -> Option<Evidence> {
        self.lookout.checked.clone().filter(|_| self.lookout.suspect.is_none())
    }

    /// A thorough look: goes back if missing numbers have come.
    pub(super) fn look_out(&mut self) -> Result<()> {
        if self.seen.lacking.is_empty() || self.undecided {
            return Ok(());
        }
        let now = self.evidence()?;
        let lookout = &mut self.lookout;
        if lookout.checked.as_ref().is_some_and(|checked| checked.agrees(&now)) {
            lookout.suspect = None;
            return Ok(());
        }
        match lookout.suspect.replace(now.clone()).is_some_and(|before| before.agrees(&now)) {
            true => self.look_for_lacking(),
            false => Ok(()),
        }
    }

    fn evidence(&self) -> Result<Evidence> {
        let growing = self.current.as_ref().filter(|current| current.growing);
        Evidence::by(&self.files, growing.map_or(u64::MAX, |current| current.opened.segment))
    }

    /// Looks for the missing numbers, and goes back to before the first that has come.
    fn look_for_lacking(&mut self) -> Result<()> {
        let now = self.evidence()?;
        let come = self.find_come()?;
        (self.lookout.checked, self.lookout.suspect) = (Some(now.clone()), None);
        let Some(come) = come else { return Ok(()) };
        let is_known = |(after, then): &(u64, Evidence)| *after == come.after && then.agrees(&now);
        if self.lookout.went_back.as_ref().is_some_and(is_known) {
            return Ok(());
        }
        if self.notices.is_empty() {
            self.before_notices = Some(self.place());
        }
        let back = self.seen.go_back(come.epoch_id.as_deref(), come.after);
        let after = if self.exact { back } else { come.after };
        (self.known, self.passed) = (after, after);
        self.notices.push_back(Item::Rewound(Seq::new(after)));
        let told = self.told;
        self.start_anew()?;
        (self.told, self.lookout.went_back) = (told, Some((come.after, now)));
        Ok(())
    }

    /// The first of the missing numbers that a reader from there on finds, or does not find missing any more. Those in the same
    /// segment, or near each other, are found by one reading.
    fn find_come(&self) -> Result<Option<Come>> {
        let mut lacking = &self.seen.lacking[..];
        while let Some((first, _)) = lacking.first() {
            let from = Cursor::from_seq(Seq::new(*first));
            let mut items = Items::begin(self.files.clone(), Walk::new(self.files.clone(), true)?, true, &from)?;
            let mut missing: Vec<(u64, u64)> = Vec::new();
            let (mut segment, mut passed) = (None, 0);
            loop {
                let seq = match items.next()? {
                    None => return Ok(None), // and nothing follows
                    Some(Item::Gap(gap)) => {
                        missing.extend(seqs_of(&gap));
                        continue;
                    }
                    Some(Item::Entry(entry)) => entry.seq().get(),
                    Some(_) => continue,
                };
                passed += 1;
                if passed > NEAR && segment.is_some_and(|segment| segment != items.segments()) {
                    break;
                }
                while let Some((first, last)) = lacking.first().copied().filter(|(first, _)| *first <= seq) {
                    if seq <= last {
                        let epoch_id = items.header().map(|header| header.epoch_id_at(seq).into_owned());
                        return Ok(Some(Come { after: seq - 1, epoch_id }));
                    }
                    if !missing.iter().any(|missing| missing.0 <= last && first <= missing.1) {
                        return Ok(Some(Come { after: first - 1, epoch_id: None }));
                    }
                    lacking = &lacking[1..];
                    (segment, passed) = (Some(items.segments()), 0);
                }
                if lacking.is_empty() {
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }
}

fn seqs_of(gap: &Gap) -> Option<(u64, u64)> {
    gap.first_seq.zip(gap.last_seq).map(|(first, last)| (first.get(), last.get()))
}
