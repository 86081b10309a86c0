//! One life: a process does what its script says, in lockstep with the writer's thread, so that the same script always
//! makes the same calls. What it learns is kept with the number of calls after which it was so.

use super::disk::Disk;
use super::faults::What;
use super::knowledge::{Fact, Knowledge};
use super::oracle::{ID, Reading, expect};
use super::script::{Life, Step};
use super::storage::Simulated;
use super::view::View;
use foldlog::{CompactOptions, Durability, Health, Journal, Recovery, Store, Ticket};
use std::sync::Arc;

/// A life that has been lived, and every moment of it.
pub struct Recording {
    /// The disk after each call that changed something.
    pub snapshots: Vec<Disk>,
    facts: Vec<(usize, Fact)>,
    before: Knowledge,
    /// What the first opening found, and how many calls that took.
    pub opened: Option<(usize, Recovery)>,
    /// How many events were acknowledged.
    pub acknowledged: usize,
}

impl Recording {
    /// What was known after so many calls.
    pub fn known_after(&self, calls: usize) -> Knowledge {
        let mut known = self.before.clone();
        self.facts.iter().filter(|(at, _)| *at <= calls).for_each(|(_, fact)| known.learn(fact));
        known
    }
}

struct Living<'a> {
    storage: &'a Simulated,
    store: &'a Store,
    life: &'a Life,
    known: Knowledge,
    facts: Vec<(usize, Fact)>,
    journal: Option<Journal>,
    /// Whether its journal has failed since it was opened.
    failed: bool,
    /// How many calls had been made when it was opened.
    opened_at: usize,
    /// Written, and not synced by a barrier yet.
    unsynced: Vec<(u64, Arc<str>)>,
    opened: Option<(usize, Recovery)>,
    has_faults: bool,
}

/// Lives a life on a disk, of which so much is known.
pub fn record(
    storage: &Simulated,
    store: &Store,
    disk: &Disk,
    known: &Knowledge,
    life: &Life,
) -> Result<Recording, String> {
    storage.start_keeping_all(disk);
    let mut author = known.author.clone();
    author.begin_life();
    let has_faults = life.steps.iter().any(|step| matches!(step, Step::Fail(_) | Step::Room(_)));
    let mut living = Living {
        storage,
        store,
        life,
        known: Knowledge { author, ..known.clone() },
        facts: Vec::new(),
        journal: None,
        failed: false,
        opened_at: 0,
        unsynced: Vec::new(),
        opened: None,
        has_faults,
    };
    let lived = life.steps.iter().try_for_each(|step| living.step(*step));
    let snapshots = storage.take_snapshots();
    // The process is gone: what its handles still do when they are dropped reaches no disk.
    storage.start(&Disk::default());
    let Living { known: Knowledge { author, .. }, mut facts, opened, .. } = living;
    lived?;
    facts.sort_by_key(|(at, _)| *at);
    let acknowledged = facts.iter().filter(|(_, fact)| matches!(fact, Fact::Synced(..))).count();
    Ok(Recording { snapshots, facts, before: Knowledge { author, ..known.clone() }, opened, acknowledged })
}

impl Living<'_> {
    fn learn(&mut self, fact: Fact) {
        self.learn_after(self.storage.calls(), fact);
    }

    fn learn_after(&mut self, calls: usize, fact: Fact) {
        self.known.learn(&fact);
        self.facts.push((calls, fact));
    }

    fn step(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Open if self.journal.is_none() => self.open(),
            Step::Append(count) => self.append(count),
            Step::Sync => self.sync(),
            Step::Close => self.close(),
            Step::Drop => {
                self.journal = None;
                self.notice_faults();
                Ok(())
            }
            Step::Reopen => self.reopen(),
            Step::Compact => self.compact(),
            Step::Look => self.look(),
            Step::Fail(fault) => {
                self.storage.set_fault(fault);
                Ok(())
            }
            Step::Room(bytes) => {
                self.storage.set_room(Some(bytes));
                Ok(())
            }
            Step::Free => {
                self.storage.set_room(None);
                Ok(())
            }
            Step::Open => Ok(()),
        }
    }

    /// Learns of syncs that have failed since it last looked.
    fn notice_faults(&mut self) {
        let known = self.facts.iter().filter(|(_, fact)| matches!(fact, Fact::SyncFailed | Fact::SyncLied)).count();
        for (calls, what, _) in self.storage.struck().into_iter().skip(known) {
            let fact = if what == What::OneLate { Fact::SyncLied } else { Fact::SyncFailed };
            self.learn_after(calls, fact);
        }
    }

    fn open(&mut self) -> Result<(), String> {
        let opened = self.store.journal_with(ID, self.life.options());
        self.notice_faults();
        let journal = match opened {
            Ok(journal) => journal,
            Err(error) => return expect(self.has_faults, || format!("it cannot be opened: {error}")),
        };
        let calls = self.storage.calls();
        if self.facts.is_empty() && self.opened.is_none() {
            self.opened = Some((calls, journal.recovered().clone()));
        }
        self.unsynced.clear();
        self.failed = false;
        self.opened_at = calls;
        // What an opening has found on the disk it counts as safe.
        let synced = journal.synced().get();
        self.journal = Some(journal);
        let reading = Reading::of(self.store)?;
        for (seq, entry) in reading.entries.range(..=synced).filter(|(_, entry)| !entry.is_recorders_own()) {
            if !self.known.synced.contains_key(seq) {
                self.learn(Fact::Synced(*seq, entry.data().into()));
            }
        }
        Ok(())
    }

    fn append(&mut self, count: usize) -> Result<(), String> {
        let Some(journal) = self.journal.clone() else { return Ok(()) };
        let began = self.storage.calls();
        let mut tickets: Vec<(Ticket, Arc<str>)> = Vec::new();
        if count > 1 {
            self.storage.shut_gate();
        }
        for at in 0..count {
            let (draft, data) = self.known.author.draft();
            let calls = self.storage.calls(); // before the writer's thread may make the next one
            let Ok(ticket) = journal.append(draft) else { break };
            let (seq, data) = (ticket.seq().get(), Arc::from(data));
            let taken = self.known.synced.contains_key(&seq) || self.known.written.contains_key(&seq);
            tickets.push((ticket, Arc::clone(&data)));
            if at == 0 && count > 1 {
                self.storage.await_call(); // so that the others are one batch, always
            }
            if taken {
                self.storage.open_gate();
                return Err(format!("{seq} was given twice"));
            }
            self.learn_after(calls, Fact::Submitted(seq, data));
        }
        self.storage.open_gate();
        let accepted = tickets.len();
        expect(accepted == 0 || !self.failed, || "events are taken after a failure".to_owned())?;
        for (ticket, data) in tickets {
            let seq = ticket.seq().get();
            let result = ticket.wait();
            self.notice_faults();
            match result {
                Ok(_) => self.acknowledge(self.life.level, seq, data, began)?,
                Err(_) => self.failed |= matches!(journal.health(), Health::Failed(_)),
            }
        }
        expect(accepted == count || self.has_faults, || "an event was refused".to_owned())
    }

    /// An event that was appended, or whose sync was asked for, after so many calls is as safe as that.
    fn acknowledge(&mut self, level: Durability, seq: u64, data: Arc<str>, began: usize) -> Result<(), String> {
        let struck = self.storage.struck();
        if level == Durability::Written {
            self.unsynced.push((seq, Arc::clone(&data)));
            // Once a sync has failed, what was only written may be gone, also if that was acknowledged just before.
            if struck.iter().all(|(calls, ..)| *calls < began) {
                self.learn(Fact::Written(seq, data));
            }
            return Ok(());
        }
        let opened_at = self.opened_at;
        let failed = struck.into_iter().find(|(calls, what, path)| {
            (opened_at..began).contains(calls)
                && *what != What::OneLate
                && path.extension().is_some_and(|end| end == "jsonl")
        });
        expect(failed.is_none(), || format!("{seq} was acknowledged after a failed sync: {failed:?}"))?;
        self.learn(Fact::Synced(seq, data));
        Ok(())
    }

    fn sync(&mut self) -> Result<(), String> {
        let Some(journal) = self.journal.clone() else { return Ok(()) };
        if journal.synced() >= journal.last_seq() {
            return Ok(()); // it would be done at once, and the writer's thread look for something to do later
        }
        let began = self.storage.calls();
        let synced = journal.sync().and_then(Ticket::wait);
        self.notice_faults();
        match synced {
            Ok(_) => {
                let all = std::mem::take(&mut self.unsynced);
                all.into_iter().try_for_each(|(seq, data)| self.acknowledge(Durability::Synced, seq, data, began))
            }
            Err(error) => {
                self.failed |= matches!(journal.health(), Health::Failed(_));
                expect(self.has_faults, || format!("a sync failed: {error}"))
            }
        }
    }

    fn close(&mut self) -> Result<(), String> {
        let Some(journal) = self.journal.take() else { return Ok(()) };
        let began = self.storage.calls();
        let closed = journal.close().wait();
        drop(journal);
        self.notice_faults();
        match closed {
            Ok(()) => {
                let all = std::mem::take(&mut self.unsynced);
                all.into_iter().try_for_each(|(seq, data)| self.acknowledge(Durability::Synced, seq, data, began))
            }
            Err(error) => expect(self.has_faults, || format!("closing failed: {error}")),
        }
    }

    fn reopen(&mut self) -> Result<(), String> {
        let Some(journal) = self.journal.clone().filter(|_| self.failed) else { return Ok(()) };
        let reopened = journal.reopen();
        self.notice_faults();
        if reopened.is_ok() {
            self.failed = false;
            self.opened_at = self.storage.calls();
            self.unsynced.clear();
            Reading::of(self.store)?.check(&self.known)?;
        }
        expect(reopened.is_ok() || self.has_faults, || format!("reopening failed: {reopened:?}"))
    }

    fn compact(&mut self) -> Result<(), String> {
        let Ok(reader) = self.store.reader(ID) else { return Ok(()) };
        let before = Reading::of(self.store)?;
        self.learn(Fact::Compacting(before.entries.clone()));
        let fold = reader.fold().map_err(|error| format!("folding: {error}"))?;
        let options = CompactOptions::default().segment_bytes(3 * self.life.segment_bytes);
        let syncs_failed = self.storage.struck().len();
        let compacted = self.store.compact_with(ID, &options, &mut |_| {});
        self.notice_faults();
        expect(compacted.is_ok() || self.has_faults, || format!("compacting failed: {compacted:?}"))?;
        let after = self.store.reader(ID).and_then(|reader| reader.fold()).map_err(|error| error.to_string())?;
        // What was never synced may be gone when the compaction's own sync of it fails.
        let is_same = fold == after || self.storage.struck().len() > syncs_failed;
        expect(is_same, || format!("compaction made\n{fold:#?}\ninto\n{after:#?}"))
    }

    fn look(&mut self) -> Result<(), String> {
        let mut view: View = self.known.view.clone();
        let Ok(mut follower) = self.store.follow(ID, view.cursor()) else { return Ok(()) };
        view.follow(&mut follower)?;
        let reading = Reading::of(self.store)?;
        view.pass(reading.compacted_away(&self.known));
        self.learn(Fact::Looked(view));
        Ok(())
    }
}
