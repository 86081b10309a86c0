//! Which segments are looked at together: what their headers say about them, and which of them become one.

use crate::error::Result;
use crate::format::header::{Compacted, Epoch, Header, MAX_EPOCHS, MAX_HEADER, Seal};
use crate::format::line::{self, Decoded};
use crate::segments::dir::{Files, Listed, Opened, Torn};
use crate::segments::scan::Scanner;

/// A sealed segment.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) segment: u64,
    pub(super) len: u64,
    pub(super) lines_from: u64,
    /// The last number before it.
    pub(super) last_before: u64,
    pub(super) compacted: Option<Compacted>,
    /// The epoch that it begins in; `None` if its header is bad.
    first_epoch: Option<Epoch>,
    /// What the header behind it says of its end; `None` for the newest.
    seal: Option<Seal>,
    /// No segment follows, and nobody is writing.
    pub(super) is_newest: bool,
}

/// A segment, or why it is left alone.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) member: Member,
    pub(super) left_alone: Option<Reason>,
    /// A crash left the file before its header was on disk.
    was_never_created: bool,
}

/// Why a segment is left alone.
#[derive(Clone, Debug)]
pub(super) struct Reason {
    pub(super) why: String,
    pub(super) damaged: bool,
}

impl Reason {
    pub(super) fn damaged(why: impl Into<String>) -> Reason {
        Reason { why: why.into(), damaged: true }
    }

    pub(super) fn other(why: impl Into<String>) -> Reason {
        Reason { why: why.into(), damaged: false }
    }
}

/// Said of headers with members that would be lost.
pub(super) const NEWER: &str = "a newer foldlog wrote it";
const WRONG_END: &str = "its end is not where the next segment says";

impl Member {
    /// The last segment that it stands for.
    pub(super) fn through(&self) -> u64 {
        self.compacted.as_ref().map_or(self.segment, |compacted| compacted.through)
    }

    /// What the header behind it says of it, or will say.
    pub(super) fn seal(&self, last_seq: u64) -> Seal {
        match &self.compacted {
            Some(Compacted { through, last_seq, last_bytes, .. }) => {
                Seal { segment: *through, last_seq: *last_seq, bytes: *last_bytes }
            }
            None => Seal { segment: self.segment, last_seq, bytes: self.len },
        }
    }

    /// Whether it holds what its seal and its own header say.
    pub(super) fn check_end(&self, last: u64, entries: u64) -> Result<(), Reason> {
        if self.compacted.as_ref().is_some_and(|compacted| compacted.entries != entries || last > compacted.last_seq) {
            return Err(Reason::damaged("entries are missing: `verify` says more"));
        }
        if self.is_newest && entries == 0 {
            return Err(Reason::other("it holds no entry yet"));
        }
        match self.seal {
            Some(seal) if seal != self.seal(last) => Err(Reason::damaged(WRONG_END)),
            _ => Ok(()),
        }
    }
}

/// Looks at the headers of all segments. With `idle`, nobody is writing, and the newest is sealed too.
pub(super) fn candidates(
    files: &Files,
    (listed, torn): &(Vec<Listed>, Vec<Torn>),
    journal: Option<&str>,
    idle: bool,
) -> Result<Vec<Candidate>> {
    let mut found: Vec<Candidate> = Vec::new();
    for listed in listed {
        // What a compaction that was killed has left behind is nobody's predecessor.
        if found.last().is_some_and(|before| listed.segment <= before.member.through()) {
            continue;
        }
        let Some(opened) = files.peek_for(journal, *listed)? else { continue };
        let header = opened.header.as_ref();
        if let Some(prev) = header.and_then(|header| header.prev) {
            while found.pop_if(|before| before.was_never_created && prev.segment < before.member.segment).is_some() {}
        }
        if let Some(before) = found.last_mut() {
            before.follow(files, header)?;
        }
        found.push(Candidate::new(&opened, header));
    }
    let mut has_unfinished = false;
    while found.pop_if(|newest| newest.was_never_created).is_some() {
        has_unfinished = true;
    }
    if let Some(newest) = found.last_mut().filter(|newest| newest.left_alone.is_none() || has_unfinished) {
        newest.member.is_newest = true;
        let has_torn = |torn: &Torn| (torn.segment, torn.offset) == (newest.member.segment, newest.member.len);
        newest.left_alone = match idle {
            false => Some(Reason::other("it is being written")),
            true if has_unfinished || torn.iter().any(has_torn) => {
                Some(Reason::other("the next recording has to report first what a crash left behind it"))
            }
            true => None,
        };
    }
    Ok(found)
}

impl Candidate {
    fn new(opened: &Opened, header: Option<&Header>) -> Candidate {
        let left_alone = match header {
            None => Some(Reason::damaged("its header cannot be read, or is another journal's")),
            Some(header) if !header.needs.is_empty() => Some(Reason::other(NEWER)),
            Some(_) => None,
        };
        let member = Member {
            segment: opened.segment,
            len: opened.len,
            lines_from: opened.lines_from,
            last_before: header.and_then(|header| header.prev).map_or(0, |prev| prev.last_seq),
            compacted: header.and_then(|header| header.compacted.clone()),
            first_epoch: header.map(Header::first_epoch),
            seal: None,
            is_newest: false,
        };
        let was_never_created =
            opened.header.is_none() && !opened.foreign && !opened.has_entries && opened.len <= MAX_HEADER;
        Candidate { member, left_alone, was_never_created }
    }

    /// The header of the next segment says where this one ends.
    fn follow(&mut self, files: &Files, next: Option<&Header>) -> Result<()> {
        if self.left_alone.is_some() {
            return Ok(());
        }
        let Some(seal) = next.and_then(|next| next.prev) else {
            self.left_alone = Some(Reason::other("the header behind it does not say where it ends"));
            return Ok(());
        };
        if seal != self.member.seal(seal.last_seq) {
            let is_gone = seal.segment > self.member.through() && last_seq(files, &self.member)? >= seal.last_seq;
            self.left_alone = Some(match is_gone {
                true => Reason::other("the segment behind it is gone, and no number with it"),
                false => Reason::damaged(WRONG_END),
            });
        }
        self.member.seal = Some(seal);
        Ok(())
    }
}

/// The last number in a segment.
fn last_seq(files: &Files, member: &Member) -> Result<u64> {
    if let Some(compacted) = &member.compacted {
        return Ok(compacted.last_seq);
    }
    let Some(opened) = files.peek(Listed { segment: member.segment, len: member.len })? else { return Ok(0) };
    let mut scanner = Scanner::new(opened.file, member.lines_from, member.len);
    let mut last = member.last_before;
    while scanner.next().is_some() {
        if let Decoded::Entry(entry) = line::decode(scanner.bytes()) {
            last = last.max(entry.seq().get());
        }
    }
    Ok(last)
}

/// The epochs that begin inside the segment that these members become, after the one that its header names: each once.
pub(super) fn epochs_inside(members: &[Member]) -> Vec<Epoch> {
    let all = members.iter().flat_map(|member| {
        member.first_epoch.iter().chain(member.compacted.iter().flat_map(|compacted| &compacted.epochs))
    });
    let mut epochs: Vec<Epoch> = Vec::new();
    for epoch in all {
        if epochs.last().is_none_or(|last| last.epoch_id != epoch.epoch_id) {
            epochs.push(epoch.clone());
        }
    }
    epochs.drain(..1.min(epochs.len()));
    epochs
}

/// Which segments become one: neighbours that together have at most `limit` bytes and [`MAX_EPOCHS`] epochs, if there are
/// `at_least` so many of them. Every other segment is a unit of its own.
pub(super) fn units(candidates: Vec<Candidate>, limit: u64, at_least: usize) -> Vec<Vec<Member>> {
    let mut runs: Vec<Vec<Member>> = Vec::new();
    let (mut bytes, mut epochs, mut next) = (0, 0, None);
    for Candidate { member, left_alone, .. } in candidates {
        if left_alone.is_some() {
            next = None;
            continue;
        }
        let begun = 1 + member.compacted.as_ref().map_or(0, |compacted| compacted.epochs.len());
        let fits = next == Some(member.segment) && bytes + member.len <= limit && epochs + begun <= MAX_EPOCHS;
        bytes = if fits { bytes + member.len } else { member.len };
        epochs = if fits { epochs + begun } else { begun };
        next = Some(member.through() + 1);
        match runs.last_mut().filter(|_| fits) {
            Some(run) => run.push(member),
            None => runs.push(vec![member]),
        }
    }
    runs.into_iter().flat_map(|run| split(run, at_least)).collect()
}

/// Neighbours as one unit, if there are `at_least` so many of them; else each alone.
pub(super) fn split(run: Vec<Member>, at_least: usize) -> Vec<Vec<Member>> {
    match run.len() >= at_least {
        true => vec![run],
        false => run.into_iter().map(|member| vec![member]).collect(),
    }
}
