//! The same by several threads. Each takes the next block, checks and decodes its lines beside the others, waits for its
//! turn and gives them out: so everything is given in order, and what it borrows never leaves its thread.

use super::Items;
use super::blocks::{EachAnywhere, Found};
use crate::error::Result;
use crate::format::block::Block;
use crate::format::line::Decoded;
use crate::segments::scan::Scanner;
use std::ops::ControlFlow;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Less than this of a segment is not worth a second thread.
const WORTH: u64 = 1 << 20;

/// The threads that read a segment.
struct Team<'t, 'e> {
    source: Mutex<Source>,
    turn: Mutex<Turn<'t, 'e>>,
    passed: Condvar,
    beforehand: Beforehand,
}

/// What is done with each entry before its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beforehand {
    /// Nothing more.
    Nothing,
    /// Its event is decoded, and comes with it.
    Event,
    /// Its data is scanned, so that it knows whether that is JSON.
    Scan,
}

/// Where the blocks come from.
struct Source {
    scanner: Scanner,
    /// How many were taken.
    taken: u64,
}

/// Giving out what was decoded.
struct Turn<'t, 'e> {
    /// Which block is next.
    block: u64,
    outcome: Result<ControlFlow<()>>,
    items: &'t mut Items,
    each: &'t mut EachAnywhere<'e>,
}

impl Items {
    /// [`Items::each`] by so many threads, the caller's among them.
    pub(crate) fn each_by(
        &mut self,
        threads: usize,
        beforehand: Beforehand,
        each: &mut EachAnywhere<'_>,
    ) -> Result<()> {
        loop {
            if self.give_segment_by(threads, beforehand, each)?.is_break() || self.go_on(each)?.is_break() {
                return Ok(());
            }
        }
    }

    fn give_segment_by(
        &mut self,
        threads: usize,
        beforehand: Beforehand,
        each: &mut EachAnywhere<'_>,
    ) -> Result<ControlFlow<()>> {
        let Some(current) = self.current.as_mut().filter(|current| threads > 1 && current.left() >= WORTH) else {
            return self.give_segment(each);
        };
        let source = Source { scanner: current.lend_scanner(), taken: 0 };
        let turn = Turn { block: 0, outcome: Ok(ControlFlow::Continue(())), items: self, each };
        let team = Team { source: Mutex::new(source), turn: Mutex::new(turn), passed: Condvar::new(), beforehand };
        thread::scope(|scope| {
            for _ in 1..threads {
                let name = "foldlog-reader".to_owned();
                // Where the system gives no more threads, those that are there do all.
                let _ = thread::Builder::new().name(name).spawn_scoped(scope, || team.work());
            }
            team.work();
        });
        let scanner = team.source.into_inner().unwrap_or_else(PoisonError::into_inner).scanner;
        let Turn { outcome, items, .. } = team.turn.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(current) = &mut items.current {
            current.scanner = scanner;
        }
        outcome
    }
}

impl Team<'_, '_> {
    fn work(&self) {
        let _watch = Watch(self);
        let mut block = Block::default();
        while let Some(number) = self.take(&mut block) {
            let found: Vec<Found<'_>> = block.lines().map(|line| self.find(Found::new(line))).collect();
            let mut turn = lock(&self.turn);
            while turn.block < number && turn.goes_on() {
                turn = self.passed.wait(turn).unwrap_or_else(PoisonError::into_inner);
            }
            turn.give(found);
            drop(turn);
            self.passed.notify_all();
        }
    }

    /// Reads the next block. Returns its number; `None` at the end.
    fn take(&self, block: &mut Block) -> Option<u64> {
        let mut source = lock(&self.source);
        source.scanner.next_block(block).then(|| {
            source.taken += 1;
            source.taken - 1
        })
    }

    fn find<'a>(&self, mut found: Found<'a>) -> Found<'a> {
        let Decoded::Entry(entry) = &mut found.decoded else { return found };
        match self.beforehand {
            Beforehand::Nothing => {}
            Beforehand::Event => found.event = entry.event_of_line(),
            Beforehand::Scan => entry.json = Some(entry.is_json()),
        }
        found
    }
}

impl Turn<'_, '_> {
    fn goes_on(&self) -> bool {
        matches!(self.outcome, Ok(ControlFlow::Continue(())))
    }

    fn give(&mut self, found: Vec<Found<'_>>) {
        for found in found {
            if !self.goes_on() {
                break;
            }
            self.outcome = self.items.give(found, self.each);
        }
        self.block += 1;
    }
}

/// Ends all turns when its thread panics: nobody waits for that one.
struct Watch<'w, 't, 'e>(&'w Team<'t, 'e>);

impl Drop for Watch<'_, '_, '_> {
    fn drop(&mut self) {
        if thread::panicking() {
            lock(&self.0.turn).outcome = Ok(ControlFlow::Break(()));
            self.0.passed.notify_all();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
