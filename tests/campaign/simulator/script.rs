//! Histories: what a recorder does in each of its lives, and how each of them ends.

use super::faults::{EIO, ENOSPC, Fault, Kind, What};
use crate::support::Dice;
use foldlog::{Durability, JournalOptions};
use std::fmt;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Open,
    /// So many events at once, of which the first is a batch and the others are one.
    Append(usize),
    Sync,
    Close,
    /// The last handle goes.
    Drop,
    Reopen,
    Compact,
    /// A follower that was away resumes, and leaves again.
    Look,
    Fail(Fault),
    /// The disk has room for so many bytes more.
    Room(usize),
    /// It has room again.
    Free,
}

/// What one process does.
#[derive(Clone, Debug, PartialEq)]
pub struct Life {
    pub level: Durability,
    pub segment_bytes: u64,
    pub prefill: u64,
    pub steps: Vec<Step>,
    /// Where the dice start that say how it ends.
    pub seed: u64,
}

/// One process after the other, on one disk.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    pub lives: Vec<Life>,
}

impl Life {
    pub fn options(&self) -> JournalOptions {
        let options = JournalOptions::default().durability(self.level).segment_bytes(self.segment_bytes);
        // Nothing is synced by the clock: what is synced, and when, is the script's.
        options.prefill(self.prefill).sync_interval(Duration::from_secs(24 * 3600))
    }

    fn random(dice: &mut Dice, faults: bool) -> Life {
        let level = [Durability::Synced, Durability::Written][dice.below(2)];
        let segment_bytes = [700, 1_500, 4_000, 1 << 20][dice.below(4)];
        let prefill = [0, 0, 200, 3_000][dice.below(4)];
        let mut steps = vec![Step::Open];
        for _ in 0..dice.below(10) {
            steps.push(match dice.below(if faults { 20 } else { 14 }) {
                0..=6 => Step::Append(1 + dice.below(6)),
                7 | 8 => Step::Append(1 + dice.below(12)),
                9 | 10 => Step::Sync,
                11 => Step::Look,
                12 => Step::Close,
                13 => Step::Drop,
                14..=16 => Step::Fail(fault(dice)),
                17 => Step::Room(dice.below(2_000)),
                18 => Step::Free,
                _ => Step::Reopen,
            });
            let closed = matches!(steps.last(), Some(Step::Close | Step::Drop));
            if closed {
                if dice.below(2) == 0 {
                    steps.push(Step::Compact);
                }
                steps.push(Step::Open);
            }
        }
        if dice.below(3) == 0 {
            steps.extend([Step::Close, Step::Compact]);
        }
        Life { level, segment_bytes, prefill, steps, seed: dice.below(usize::MAX) as u64 }
    }
}

fn fault(dice: &mut Dice) -> Fault {
    let fails = What::Fails([EIO, ENOSPC][dice.below(2)]);
    let (on, what) = match dice.below(12) {
        0 => (Kind::Write, fails),
        1 => (Kind::Write, What::Short(dice.below(300))),
        2 => (Kind::Sync, What::CleanAndRevert),
        3 | 4 => (Kind::Sync, What::CleanAndKeep),
        5 => (Kind::Sync, What::OneLate),
        6 => (Kind::Sync, fails),
        7 => (Kind::SyncDir, What::Fails(EIO)),
        8 => (Kind::Create, fails),
        9 => (Kind::Rename, What::Fails(EIO)),
        10 => (Kind::Remove, What::Fails(EIO)),
        _ => (Kind::SetLen, What::Fails(EIO)),
    };
    Fault { on, after: dice.below(4), what }
}

impl History {
    /// 1 to 12 lives.
    pub fn random(seed: u64, faults: bool) -> History {
        let mut dice = Dice::seeded(seed);
        let lives = 1 + dice.below(12);
        History { lives: (0..lives).map(|_| Life::random(&mut dice, faults)).collect() }
    }
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, segments of {}, ", self.level, self.segment_bytes)?;
        write!(f, "{} bytes prefilled, dice {}:", self.prefill, self.seed)?;
        self.steps.iter().try_for_each(|step| match step {
            Step::Fail(fault) => write!(f, " [{fault}]"),
            step => write!(f, " {step:?}"),
        })
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lives.iter().enumerate().try_for_each(|(at, life)| writeln!(f, "  life {at}: {life}"))
    }
}
