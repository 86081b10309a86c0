//! One crash state: it is read, recovered twice, written to, and read again.

use super::disk::Disk;
use super::knowledge::{Fact, Knowledge};
use super::oracle::{ID, Reading, expect};
use super::storage::Simulated;
use foldlog::{JournalOptions, Recovery, Store};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub const ROOT: &str = "/sim";

/// What is checked beside what always is.
pub struct Expected<'a> {
    /// What a recovery of the same disk has found that was killed on its way.
    pub recovery: Option<&'a Recovery>,
    /// The follower was away until something had been written again.
    pub follower_comes_late: bool,
    /// The recovered journal is closed, and not just left.
    pub closes: bool,
}

/// Checks everything that must be so of a disk after a crash.
pub fn check(
    storage: &Simulated,
    store: &Store,
    disk: &Disk,
    mut known: Knowledge,
    expected: &Expected<'_>,
) -> Result<(), String> {
    storage.start(disk);
    let before = Reading::of(store)?;
    before.check(&known).map_err(|what| format!("before it is opened: {what}"))?;
    // Where the log has yet to account for something in the middle, the report of that is what tells a follower.
    if !expected.follower_comes_late && before.gaps.iter().all(|gap| gap.explained || gap.first_seq.is_none()) {
        let followed = follow(store, &mut known, &before);
        followed.map_err(|what| format!("before it is opened: {what}"))?;
    }

    let options = || JournalOptions::default().sync_interval(Duration::from_secs(24 * 3600));
    let open = || store.journal_with(ID, options()).map_err(|error| format!("it cannot be opened: {error}"));
    let first = open()?.recovered().clone();
    expect(expected.recovery.is_none_or(|recovery| *recovery == first), || {
        format!("a recovery that was cut short had found {:#?}, this one {first:#?}", expected.recovery)
    })?;
    let files = segments(&storage.world().disk);
    let journal = open()?;
    let second = journal.recovered().clone();
    expect(first == second, || format!("one recovery finds {first:#?}, the next {second:#?}"))?;
    expect(files == segments(&storage.world().disk), || "a second recovery changes files".to_owned())?;
    if !storage.struck().is_empty() {
        // A sync that had failed in silence was told to the recovery: what was only written is not to be trusted any more,
        // and has to be accounted for like all that is missing.
        known.learn(&Fact::SyncFailed);
    }

    let (draft, data) = known.author.draft();
    let data: Arc<str> = Arc::from(data);
    let ticket = journal.append(draft).map_err(|error| format!("recovered, it takes nothing: {error}"))?;
    let seq = ticket.wait().map_err(|error| format!("recovered, it writes nothing: {error}"))?.get();
    expect(!known.synced.contains_key(&seq) && !before.entries.contains_key(&seq), || {
        format!("{seq} was given twice")
    })?;
    known.submitted.entry(seq).or_default().push(Arc::clone(&data));
    known.synced.insert(seq, data);
    if expected.closes {
        journal.close().wait().map_err(|error| format!("recovered, it cannot be closed: {error}"))?;
    }
    drop(journal);

    let after = Reading::of(store)?;
    after.check(&known)?;
    after.check_explained(&known)?;
    if disk.pending.is_empty() && !known.lied_to {
        let lost = before.entries.keys().find(|seq| !after.entries.contains_key(seq));
        expect(lost.is_none(), || format!("recovery lost {lost:?}"))?;
    }
    after.check_fold(store, &known)?;
    follow(store, &mut known, &after).map_err(|what| format!("after it was written to: {what}"))
}

/// The follower resumes and sees what a reader sees.
fn follow(store: &Store, known: &mut Knowledge, reading: &Reading) -> Result<(), String> {
    let follower = store.follow(ID, known.view.cursor()).map_err(|error| format!("following: {error}"))?;
    let mut view = known.view.clone();
    // What a disk has lost after it said that it had it is damage to old entries, which can be detected, and no cut: a
    // follower that has read them keeps them, and whoever reads from the start meets the gap.
    let is_damaged = |seq| known.lied_to && reading.is_damaged(seq);
    view.follow_to(follower, reading, |seq| reading.is_compacted_away(seq, known) || is_damaged(seq))?;
    view.pass(reading.compacted_away(known));
    known.view = view;
    Ok(())
}

/// The files that are the journal, and what was cut from them.
fn segments(disk: &Disk) -> Vec<(String, Vec<u8>)> {
    let files = disk.contents(&Path::new(ROOT).join(ID)).into_iter();
    files.filter(|(name, _)| !name.ends_with("LOCK")).map(|(name, bytes)| (name, bytes.to_vec())).collect()
}
