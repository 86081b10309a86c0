//! How the records of a file hang together: ids, parents, calls and their results, numbers, turns, times.
//!
//! Keeps a few bytes for each id and each thing that is still open, and nothing else.

use crate::interop::doctor::finding::{Finding, FindingKind};
use crate::interop::doctor::links::{self, Key, Links};
use crate::interop::import::source::SourceFormat;
use crate::model::time::Timestamp;
use std::collections::{HashMap, HashSet};

/// Where a record stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) byte: u64,
    pub(super) bytes: u64,
}

#[derive(Debug)]
pub(super) struct Chain {
    format: SourceFormat,
    /// Every id, with what its record looks like.
    ids: HashMap<Key, u64>,
    /// Parents that have not come yet, with who waits for them.
    wanted: HashMap<Key, Vec<Place>>,
    /// Calls without a result: where, and how often the session had gone on by then.
    calls: HashMap<Key, (Place, u64)>,
    /// Results without a call.
    results: HashMap<Key, Place>,
    /// Turns that are running.
    turns: HashSet<Key>,
    /// Results that have come: one that comes again is no orphan.
    answered: HashSet<Key>,
    session: Option<Key>,
    time: Option<Timestamp>,
    number: Option<u64>,
    /// Numbers may be missing.
    is_compacted: bool,
    went_on: u64,
    records: u64,
}

impl Chain {
    pub(super) fn new(format: SourceFormat) -> Chain {
        Chain {
            format,
            ids: HashMap::new(),
            wanted: HashMap::new(),
            calls: HashMap::new(),
            results: HashMap::new(),
            turns: HashSet::new(),
            answered: HashSet::new(),
            session: None,
            time: None,
            number: None,
            is_compacted: false,
            went_on: 0,
            records: 0,
        }
    }

    /// Takes the next record. `true` if it is one that has been before, byte for byte.
    pub(super) fn record(&mut self, place: Place, look: u64, links: &Links, found: &mut Vec<Finding>) -> bool {
        let mut find = |kind| found.push(place.finding(kind));
        self.records += 1;
        if links.is_false {
            find(FindingKind::BadChecksum);
            return false;
        }
        if self.records == 1 && links::has_header(self.format) && !links.is_header {
            find(FindingKind::MissingHeader);
        }
        if links.is_newer {
            find(FindingKind::NewerVersion);
        }
        if links.needs_id {
            find(FindingKind::MissingId);
        }
        if let Some(id) = links.id.filter(|_| links::has_unique_ids(self.format)) {
            match self.ids.insert(id, look) {
                Some(before) if before == look => {
                    find(FindingKind::DuplicateRecord);
                    return true;
                }
                Some(_) => find(FindingKind::DuplicateId),
                None => {}
            }
        }
        if let Some(session) = links.session
            && *self.session.get_or_insert(session) != session
        {
            find(FindingKind::ForeignSession);
        }
        if let (Some(before), Some(now)) = (self.time, links.time)
            && now < before
        {
            find(FindingKind::ClockBack);
        }
        self.time = links.time.or(self.time);
        self.number(place, links, found);
        self.parents(place, links, found);
        self.calls(place, links, found);
        false
    }

    fn number(&mut self, place: Place, links: &Links, found: &mut Vec<Finding>) {
        self.is_compacted |= links.is_compacted;
        let Some(number) = links.number else { return };
        let may_be_missing = self.is_compacted || links.explains_gap;
        match self.number {
            // Where numbers are not in use, every one is 0.
            Some(before) if number <= before && number > 0 => found.push(place.finding(FindingKind::SequenceAgain)),
            Some(before) if number.saturating_sub(before) > 1 && !may_be_missing => {
                found.push(place.finding(FindingKind::SequenceGap))
            }
            _ => {}
        }
        self.number = Some(self.number.map_or(number, |before| before.max(number)));
    }

    fn parents(&mut self, place: Place, links: &Links, found: &mut Vec<Finding>) {
        if let Some(waiting) = links.id.and_then(|id| self.wanted.remove(&id)) {
            found.extend(waiting.iter().map(|place| place.finding(FindingKind::ParentLater)));
        }
        let Some(parent) = links.parent else { return };
        if links.id == Some(parent) {
            found.push(place.finding(FindingKind::BrokenParent));
        } else if !self.ids.contains_key(&parent) {
            self.wanted.entry(parent).or_default().push(place);
        }
    }

    fn calls(&mut self, place: Place, links: &Links, found: &mut Vec<Finding>) {
        self.went_on += u64::from(links.goes_on);
        for call in &links.calls {
            if let Some(result) = self.results.remove(call) {
                found.push(result.finding(FindingKind::ResultBeforeCall));
            } else {
                self.calls.insert(*call, (place, self.went_on));
            }
        }
        for result in &links.results {
            if self.calls.remove(result).is_none() && !self.answered.contains(result) {
                self.results.insert(*result, place);
            }
            self.answered.insert(*result);
        }
        if let Some(turn) = links.turn_started
            && !self.turns.insert(turn)
        {
            found.push(place.finding(FindingKind::TurnStartedTwice));
        }
        if let Some(turn) = links.turn_ended {
            self.turns.remove(&turn);
        }
    }

    /// The end of the file: what never came.
    pub(super) fn finish(&mut self) -> Vec<Finding> {
        let broken = self.wanted.drain().flat_map(|(_, places)| places);
        let mut found: Vec<Finding> = broken.map(|place| place.finding(FindingKind::BrokenParent)).collect();
        let orphans = self.results.drain().map(|(_, place)| place.finding(FindingKind::OrphanResult));
        found.extend(orphans);
        let went_on = self.went_on;
        found.extend(self.calls.drain().map(|(_, (place, then))| match then < went_on {
            true => place.finding(FindingKind::OrphanCall),
            false => place.finding(FindingKind::OpenCall),
        }));
        found.sort();
        found
    }
}

impl Place {
    pub(super) fn finding(&self, kind: FindingKind) -> Finding {
        Finding { line: self.line, byte: self.byte, bytes: self.bytes, kind }
    }
}
