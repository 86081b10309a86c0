//! The gap that a flaw is: by the table of verdicts, and by what the log itself says about it.

use super::Items;
use crate::format::gap_rules::Damage;
use crate::format::salvage::{Flaw, Sifted};
use crate::model::entry::Entry;
use crate::model::event::{Event, Hole, JournalRecovered};
use crate::model::gap::{Gap, GapKind};
use crate::model::seq::Seq;

impl Items {
    /// The gap that a flaw is.
    pub(super) fn judge(&mut self, flaw: Flaw) -> Gap {
        let newest = self.walk.is_at_end();
        let was_durable = self.was_durable(&flaw);
        let segment = match &self.current {
            Some(current) => current.opened.segment,
            None => self.before.map_or(0, |(before, _)| before),
        };
        let was_end = self.is_before_a_recovery(&flaw);
        let mut gap = Flaw { at_end: (flaw.at_end && newest) || was_end, ..flaw }.judge(segment, was_durable);
        let lost = self.explained_by_next_entry(&gap);
        let own_report = self.current.as_ref().and_then(|current| current.opened.recovered.as_ref());
        let recovered =
            [own_report, self.walk.next_report()].into_iter().flatten().find(|report| explains(report, &gap));
        if lost || was_end || recovered.is_some() {
            gap.explained = true;
            gap.acknowledged = None;
        }
        if let (Some(report), Some((before, _))) = (recovered, self.before)
            && let Some(cut) = report.cuts.iter().find(|cut| cut.segment == before && gap.bytes == 0)
        {
            // The numbers that a crash tore off: shown where their bytes stood.
            gap = Gap { segment: before, offset: cut.offset, bytes: cut.bytes, kind: GapKind::Torn, ..gap };
        }
        gap
    }

    /// Whether what a flaw took had been on disk: the fact that tells rot from a crash.
    fn was_durable(&mut self, flaw: &Flaw) -> bool {
        let Some(current) = &mut self.current else { return true };
        let same_epoch = self.walk.next_header().is_some_and(|next| current.opened.is_continued_by(next));
        same_epoch || current.opened.is_compacted() || current.proves_durable(flaw)
    }

    /// Whether it is what a recovery has left behind the last entry, which was salvaged, on the same physical line: the
    /// report, which follows, skips the numbers that it may have borne.
    fn is_before_a_recovery(&self, flaw: &Flaw) -> bool {
        let Some(current) = self.current.as_ref().filter(|current| current.seal.is_some()) else { return false };
        let is_rest = flaw.offset == current.sifter.entry_end() && current.end == current.sifter.good_end();
        let at_end = is_rest
            && flaw.damage == Damage::BadBytes
            && flaw.missing.is_none()
            && flaw.offset + flaw.bytes == current.end;
        let skips = |report: &JournalRecovered| {
            report.after == current.sifter.last()
                && report.holes.iter().any(|hole| hole.first_seq == current.sifter.last() + 1)
        };
        at_end && self.walk.next_report().is_some_and(skips)
    }

    /// Whether the entry behind the gap says that these events were refused while the disk was full.
    fn explained_by_next_entry(&self, gap: &Gap) -> bool {
        let next = self.ready.iter().find(|sifted| !matches!(sifted, Sifted::Flaw(_)));
        let (Some(current), true) = (&self.current, gap.first_seq.is_some()) else { return false };
        let entry = match next {
            Some(Sifted::Entry) => current.entry.as_ref().map(Entry::borrowed),
            Some(Sifted::Salvaged { offset, len }) => {
                current.read_salvaged(&self.files, *offset, *len).unwrap_or_default()
            }
            _ => None,
        };
        let Some(entry) = entry else { return false };
        match entry.event() {
            Ok(Event::EventsLost(lost)) => {
                covers(&Hole { first_seq: lost.first_seq, last_seq: lost.last_seq }, gap.first_seq, gap.last_seq)
            }
            _ => false,
        }
    }
}

fn explains(report: &JournalRecovered, gap: &Gap) -> bool {
    let in_cut = report.cuts.iter().any(|cut| {
        let inside = cut.offset <= gap.offset && gap.offset + gap.bytes <= cut.offset.saturating_add(cut.bytes);
        cut.segment == gap.segment && gap.bytes > 0 && inside
    });
    in_cut || report.holes.iter().any(|hole| covers(hole, gap.first_seq, gap.last_seq))
}

fn covers(hole: &Hole, first: Option<Seq>, last: Option<Seq>) -> bool {
    match (first, last) {
        (Some(first), Some(last)) => hole.first_seq <= first.get() && last.get() <= hole.last_seq,
        _ => false,
    }
}
