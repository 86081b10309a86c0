//! What is known at a moment of a history: what was appended, what the recorder has promised, what a follower has seen.

use super::author::Author;
use super::view::View;
use foldlog::Entry;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub struct Knowledge {
    pub author: Author,
    /// The data of everything that was ever appended, by number: one that a cut took without a trace may come again.
    pub submitted: BTreeMap<u64, Vec<Arc<str>>>,
    /// What must survive whatever happens.
    pub synced: BTreeMap<u64, Arc<str>>,
    /// What must survive the end of the process.
    pub written: BTreeMap<u64, Arc<str>>,
    /// What was there when something was compacted: the streaming among it may go.
    pub compacted: BTreeMap<u64, Arc<Entry<'static>>>,
    /// A follower that comes and goes.
    pub view: View,
    /// The disk has said that it had synced what it had not.
    pub lied_to: bool,
}

/// Something that became so, or was done.
#[derive(Clone, Debug)]
pub enum Fact {
    Submitted(u64, Arc<str>),
    Written(u64, Arc<str>),
    Synced(u64, Arc<str>),
    /// A sync has failed: what was only written may be gone.
    SyncFailed,
    /// A sync has said that all was well, and nothing was.
    SyncLied,
    Compacting(BTreeMap<u64, Arc<Entry<'static>>>),
    Looked(View),
}

impl Knowledge {
    pub fn learn(&mut self, fact: &Fact) {
        match fact {
            Fact::Submitted(seq, data) => self.submitted.entry(*seq).or_default().push(Arc::clone(data)),
            Fact::Written(seq, data) => drop(self.written.insert(*seq, Arc::clone(data))),
            Fact::Synced(seq, data) => {
                if !self.lied_to {
                    self.synced.insert(*seq, Arc::clone(data));
                }
            }
            Fact::SyncFailed => self.written.clear(),
            Fact::SyncLied => {
                self.written.clear();
                self.lied_to = true;
            }
            Fact::Compacting(entries) => self.compacted.extend(entries.iter().map(|(seq, e)| (*seq, Arc::clone(e)))),
            Fact::Looked(view) => self.view = view.clone(),
        }
    }
}
