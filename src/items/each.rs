//! Going through a whole journal at one go: its lines are taken as they stand in blocks, and nothing is copied.

use super::{Items, Next};
use crate::block::{Block, Line};
use crate::entry::Entry;
use crate::error::Result;
use crate::items::Item;
use crate::line::Decoded;
use std::ops::ControlFlow;

/// What is done with each item, until it says that it is enough.
pub(crate) type Each<'e> = dyn FnMut(Item<'_>) -> ControlFlow<()> + 'e;

impl Items {
    /// Calls `each` with every item of a journal that is read from its beginning, but with no gap that is only the half line
    /// of a writer at work.
    pub(crate) fn each(&mut self, each: &mut Each<'_>) -> Result<()> {
        let mut block = Block::default();
        loop {
            while self.current.as_mut().is_some_and(|current| current.scanner.next_block(&mut block)) {
                for line in block.lines() {
                    if self.give_line(&line, line.decode(), each)?.is_break() {
                        return Ok(());
                    }
                }
            }
            if !self.advance()? || self.give_ready(None, each)?.is_break() {
                return Ok(());
            }
        }
    }

    fn give_line(&mut self, line: &Line<'_>, decoded: Decoded<'_>, each: &mut Each<'_>) -> Result<ControlFlow<()>> {
        let Some(current) = &mut self.current else { return Ok(ControlFlow::Continue(())) };
        let entry = current.sift(line, decoded, &mut self.ready);
        if let Some(entry) = &entry
            && (self.ready.len() > 1 || self.passed < self.known)
        {
            entry.clone().keep(&mut current.entry); // what stands before it is judged by what it says
        }
        self.give_ready(entry, each)
    }

    fn give_ready(&mut self, mut entry: Option<Entry<'_>>, each: &mut Each<'_>) -> Result<ControlFlow<()>> {
        while let Some(next) = self.next_ready()? {
            let item = match next {
                Next::Notice(notice) => Some(notice),
                Next::Gap(gap) => (!self.is_half_line(&gap)).then_some(Item::Gap(gap)),
                Next::Entry { salvaged: true } => self.salvaged.take().map(Item::Entry),
                Next::Entry { salvaged: false } => entry.take().map(Item::Entry),
            };
            if item.is_some_and(|item| each(item).is_break()) {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
