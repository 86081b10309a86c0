//! Compaction: sealed segments made smaller by dropping lines, never by changing one.
//!
//! A *unit* is one sealed segment, or neighbours that fit into one. Each is looked at alone, from end to end: its lines
//! go only with the event in the same unit that repeats them, so one rename takes them and stands for them, and every
//! state between two renames is a journal of whole streams. Units are looked at again until there is nothing more to do.
//!
//! Reading order: `droppable` decides, `plan` reads, `rewrite` writes, `background` does it all by itself.

mod background;
mod droppable;
mod group;
mod options;
mod plan;
mod proof;
mod report;
mod rewrite;
mod throttle;

pub(crate) use background::{Background, count_small};
pub use options::CompactOptions;
pub use report::{CompactReport, CompactSize, DroppedLines, LeftAlone, MergedSegments};

use crate::error::{Error, ErrorKind, Result};
use crate::format::header::{Compacted, Header};
use crate::format::names;
use crate::segments::dir::{self, Files, Listed};
use crate::segments::lock::{self, Lock};
use crate::segments::replaced::is_replaced;
use crate::storage::EntryKind;
use group::{Candidate, Member, Reason};
use plan::{Plan, Unfit};
use report::Tally;
use rewrite::Replacement;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use throttle::Pace;

/// How long compaction tries to get a lock that a reader may hold for an instant.
const LOCK_PATIENCE: Duration = Duration::from_millis(100);

/// Compacts the journal in a directory that holds one. `progress` hears how many entries have been read.
pub(crate) fn compact(
    files: &Files,
    session_id: &str,
    options: &CompactOptions,
    progress: &mut dyn FnMut(u64),
) -> Result<CompactReport> {
    let locked = |holder: String| {
        let message = format!("the session {session_id:?} is being compacted already ({holder}): wait for that to end");
        Error::new(ErrorKind::Locked, message)
    };
    let lock = match options.dry_run {
        true => None, // which only reads
        false => Some(lock::compactions(files, "", LOCK_PATIENCE)?.map_err(locked)?),
    };
    let (listed, _) = files.list()?;
    files.reserved()?;
    let header = files.newest_header(&listed)?;
    if let Some(header) = &header {
        dir::check_header(files, header, session_id)?;
    }
    let mut compaction = Compaction {
        files,
        lock,
        options,
        journal: header.map(|header| header.journal),
        idle: false,
        pace: Pace::new(options.bytes_per_second, progress),
        tally: Tally::default(),
        by_content: BTreeMap::new(),
        by_header: BTreeMap::new(),
        settled: BTreeSet::new(),
    };
    compaction.clean_up()?;
    compaction.run_to_the_end()?;
    let Compaction { mut by_content, by_header, tally, .. } = compaction;
    by_content.extend(by_header);
    Ok(tally.into_report(session_id, options.dry_run, by_content))
}

struct Compaction<'a> {
    files: &'a Files,
    /// `None` in a dry run, which changes nothing.
    lock: Option<Lock>,
    options: &'a CompactOptions,
    /// `None` if no header could be read: one that can a moment later has just been written.
    journal: Option<String>,
    /// Nobody records, and nobody can: the newest segment is looked at too.
    idle: bool,
    pace: Pace<'a>,
    tally: Tally,
    /// What is left alone because of what its lines hold.
    by_content: BTreeMap<u64, Reason>,
    /// What is left alone because of what the headers say, in the last pass.
    by_header: BTreeMap<u64, Reason>,
    /// Segments in which nothing is to be done.
    settled: BTreeSet<u64>,
}

/// What came of a unit.
enum Outcome {
    Nothing,
    /// A new segment stands for it; in a dry run, one would.
    Replaced,
    /// The member at this place cannot be rewritten.
    Unfit(usize),
}

impl Compaction<'_> {
    /// What a compaction that was killed has left: unfinished files, and segments that another one stands for.
    fn clean_up(&mut self) -> Result<()> {
        let list = |error| Error::io("list", &self.files.dir, error);
        let folder = self.files.folder().map_err(list)?;
        let entries = folder.list().map_err(list)?;
        for entry in &entries {
            let Some(number) = names::temporary_number_of(&entry.name) else { continue };
            if entry.kind == EntryKind::Directory {
                let why = format!("`{}`, where its replacement would be prepared, is a directory", entry.name);
                self.by_content.insert(number, Reason::other(why));
                continue;
            }
            let Some(lock) = &self.lock else { continue };
            lock.must_be_in_place(self.files)?;
            let removed = folder.remove(&entry.name);
            removed.map_err(|error| Error::io("remove", &self.files.dir.join(&entry.name), error))?;
        }
        let Some(lock) = &self.lock else { return Ok(()) };
        let mut by: Option<Header> = None;
        let mut replaced = Vec::new();
        for listed in self.files.list()?.0 {
            let Some(opened) = self.files.peek_for(self.journal.as_deref(), listed)? else { continue };
            match &by {
                Some(header) if listed.segment <= header.stands_through() => {
                    replaced.extend(is_replaced(&opened, header).then_some(listed.segment));
                }
                _ if opened.is_compacted() => {
                    self.remove_replaced(lock, by.as_ref(), &std::mem::take(&mut replaced))?;
                    by = opened.header;
                }
                _ => {}
            }
        }
        self.remove_replaced(lock, by.as_ref(), &replaced)
    }

    /// Removes what a compacted segment has replaced, once that has been read back whole.
    fn remove_replaced(&self, lock: &Lock, by: Option<&Header>, replaced: &[u64]) -> Result<()> {
        match by {
            Some(by) if !replaced.is_empty() && rewrite::reads_back(self.files, by)? => {
                rewrite::remove_replaced(self.files, lock, replaced)
            }
            _ => Ok(()),
        }
    }

    /// First the segments that have a successor, then, if nobody is writing, the newest too.
    fn run_to_the_end(&mut self) -> Result<()> {
        if self.options.dry_run {
            self.idle = self.options.newest && !lock::is_held(self.files)?;
            return self.pass().map(drop);
        }
        while self.pass()? {}
        // Taken last and let go at once: nobody who wants to record waits for the older segments.
        if let Some(_lock) = self.take_writers_lock()? {
            self.idle = true;
            while self.pass()? {}
        }
        Ok(())
    }

    /// The writer's lock; `None` if somebody writes.
    fn take_writers_lock(&self) -> Result<Option<Lock>> {
        match self.options.newest {
            true => Ok(lock::writers(self.files, " (compacting)", LOCK_PATIENCE)?.ok()),
            false => Ok(None),
        }
    }

    /// Looks at every unit once; `true` if something was done.
    fn pass(&mut self) -> Result<bool> {
        let mut candidates = group::candidates(self.files, &self.files.list()?, self.journal.as_deref(), self.idle)?;
        self.by_header.clear();
        for Candidate { member, left_alone, .. } in &mut candidates {
            match left_alone {
                Some(reason) => {
                    self.count_damaged(member, reason)?;
                    self.by_header.insert(member.segment, reason.clone());
                }
                None if self.options.only_smaller_than.is_some_and(|most| member.len >= most) => {
                    *left_alone = Some(Reason::other("it is large"));
                }
                None => *left_alone = self.by_content.get(&member.segment).cloned(),
            }
        }
        let at_least = self.options.merge_at_least;
        let mut units = group::units(candidates, self.options.segment_bytes, at_least);
        units.reverse();
        let mut changed = false;
        while let Some(mut members) = units.pop() {
            match self.unit(&members)? {
                Outcome::Nothing => {}
                Outcome::Replaced => changed = true,
                Outcome::Unfit(at) => {
                    // Those on both sides of it now: a pass for each that is unfit would read all headers as often.
                    changed |= members.len() > 1;
                    let after = members.split_off(at + 1);
                    members.pop();
                    units.extend(
                        [after, members].into_iter().flat_map(|run| group::split(run, at_least).into_iter().rev()),
                    );
                }
            }
        }
        Ok(changed)
    }

    fn unit(&mut self, members: &[Member]) -> Result<Outcome> {
        let Some(first) = members.first() else { return Ok(Outcome::Nothing) };
        let alone = members.len() == 1;
        let is_settled = self.settled.contains(&first.segment) || first.segment <= self.options.looked_through;
        if alone && (is_settled || !self.options.drop_streaming) {
            return Ok(Outcome::Nothing);
        }
        let header = self.files.peek(Listed { segment: first.segment, len: first.len })?;
        let header = header.and_then(|opened| opened.header);
        let Some(header) = header.filter(|header| header.segment == first.segment) else { return Ok(Outcome::Nothing) };
        let plan = plan::plan(self.files, &header, members, self.options.drop_streaming, &mut self.pace)?;
        let plan = match plan {
            Ok(plan) => plan,
            Err(unfit) => return self.unfit(members, unfit),
        };
        self.tally.read(members, plan.entries);
        if alone && plan.drops.is_empty() {
            self.settled.insert(first.segment);
            return Ok(Outcome::Nothing);
        }
        let header = compacted_header(header, members, &plan);
        if self.options.dry_run {
            let len = estimate(&header, members, &plan);
            self.tally.replaced(members, &plan, len);
            return Ok(Outcome::Replaced);
        }
        self.replace(header, members, &plan)
    }

    fn replace(&mut self, header: Header, members: &[Member], plan: &Plan) -> Result<Outcome> {
        let Some(lock) = &self.lock else { return Ok(Outcome::Nothing) };
        let segment = header.segment;
        // In an idle journal the lock is ours.
        let gentle = !self.idle && lock::is_held(self.files)?;
        let new = Replacement::write(self.files, lock, header, members, plan, gentle, &mut self.pace)?;
        let checked = new.check(&mut self.pace);
        if !matches!(checked, Ok(Ok(()))) {
            new.discard(lock);
        }
        if let Err(why) = checked? {
            self.by_content.extend(members.iter().map(|member| (member.segment, Reason::other(why.clone()))));
            return Ok(Outcome::Nothing);
        }
        let len = new.len;
        new.put_in_place(lock)?;
        self.tally.replaced(members, plan, len);
        // It was read as a unit, so nothing more is to be found in it.
        self.settled.insert(segment);
        Ok(Outcome::Replaced)
    }

    /// One of the members cannot be rewritten: the others are looked at again without it.
    fn unfit(&mut self, members: &[Member], unfit: Unfit) -> Result<Outcome> {
        let Some(at) = members.iter().position(|member| member.segment == unfit.segment) else {
            return Ok(Outcome::Nothing);
        };
        self.count_damaged(&members[at], &unfit.reason)?;
        self.by_content.insert(unfit.segment, unfit.reason);
        Ok(Outcome::Unfit(at))
    }

    /// Damaged segments are counted too: they have been looked at.
    fn count_damaged(&mut self, member: &Member, reason: &Reason) -> Result<()> {
        if reason.damaged && !self.tally.knows(member) {
            self.tally.read(std::slice::from_ref(member), plan::count_lines(self.files, member)?);
        }
        Ok(())
    }
}

/// The header of the segment that stands for all of a unit: the first one's, and how far it reaches.
fn compacted_header(first: Header, members: &[Member], plan: &Plan) -> Header {
    let seal = members.last().map(|last| last.seal(plan.last_seq));
    let compacted = seal.map(|seal| Compacted {
        through: seal.segment,
        last_seq: seal.last_seq,
        last_bytes: seal.bytes,
        entries: plan.kept(),
        epochs: group::epochs_inside(members),
    });
    Header { compacted, prefilled: false, ..first }
}

fn estimate(header: &Header, members: &[Member], plan: &Plan) -> u64 {
    let lines: u64 = members.iter().map(|member| member.len - member.lines_from).sum();
    header.encode().len() as u64 + lines - plan.dropped.values().map(|(_, bytes)| bytes).sum::<u64>()
}
