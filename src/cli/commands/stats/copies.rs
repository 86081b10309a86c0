//! Sessions that were imported from copies of one file: `<id>`, `<id>.2`, ... A sum counts what they begin with once.

use foldlog::{Brought, Entry, Item, Reader, Result, SessionId, Store};
use std::collections::{HashMap, HashSet};

/// The sessions that are in a sum already, by the id that they share with their copies.
#[derive(Default)]
pub(super) struct Copies(HashMap<String, Vec<SessionId>>);

impl Copies {
    /// A session goes into the sum. Returns how many of its first events another one there has too.
    pub(super) fn add(&mut self, reader: &Reader, store: &Store) -> Result<u64> {
        let id = reader.session_id();
        let others = self.0.entry(shared_id(id.as_str()).to_owned()).or_default();
        let mut known = HashSet::new();
        for other in others.iter() {
            each_event(&store.reader(other.clone())?, |event| known.extend(event.id().and_then(Brought::by)))?;
        }
        others.push(id.clone());
        let (mut events, mut shared) = (0, 0);
        if !known.is_empty() {
            each_event(reader, |event| {
                events += 1;
                let brought = event.id().and_then(Brought::by).filter(|brought| brought.bytes() > 0);
                if brought.is_some_and(|brought| known.contains(&brought)) {
                    shared = events;
                }
            })?;
        }
        Ok(shared)
    }
}

/// The id without the number that tells a copy from others.
fn shared_id(id: &str) -> &str {
    let numbered = id.rsplit_once('.').filter(|(_, number)| number.bytes().all(|byte| byte.is_ascii_digit()));
    numbered.map_or(id, |(id, _)| id)
}

fn each_event(reader: &Reader, mut take: impl FnMut(&Entry<'_>)) -> Result<()> {
    let mut items = reader.items()?;
    while let Some(item) = items.next()? {
        if let Item::Entry(entry) = item
            && !entry.is_recorders_own()
        {
            take(&entry);
        }
    }
    Ok(())
}
