//! Things in the order in which they began, found by id. An id may come again; then the newest of that id is found.

use std::collections::HashMap;
use std::ops::{Index, IndexMut};
use std::sync::Arc;

/// Things of type `T` in the order in which they began.
///
/// Positions never move: things are only added at the end and taken away from the end.
#[derive(Clone, Debug)]
pub(super) struct Ledger<T> {
    slots: Vec<Slot<T>>,
    /// Looked into and never walked through, so that its order cannot show.
    newest: HashMap<Arc<str>, usize>,
}

#[derive(Clone, Debug)]
struct Slot<T> {
    id: Arc<str>,
    value: T,
    /// The one of the same id that was the newest before: it is found again when this one leaves.
    older: Option<usize>,
}

impl<T> Ledger<T> {
    /// Where the newest thing of this id stands.
    pub(super) fn find(&self, id: &str) -> Option<usize> {
        self.newest.get(id).copied()
    }

    /// Adds a thing at the end, as the newest of its id, and says where it stands.
    pub(super) fn push(&mut self, id: &str, value: T) -> usize {
        let at = self.slots.len();
        let id: Arc<str> = id.into();
        let older = self.newest.insert(Arc::clone(&id), at);
        self.slots.push(Slot { id, value, older });
        at
    }

    /// Takes everything from the position `at` on away, the last one first.
    pub(super) fn cut(&mut self, at: usize) -> Vec<(Arc<str>, T)> {
        let mut gone = Vec::new();
        while self.slots.len() > at {
            let Some(slot) = self.slots.pop() else { break };
            match slot.older {
                Some(older) => self.newest.insert(Arc::clone(&slot.id), older),
                None => self.newest.remove(&slot.id),
            };
            gone.push((slot.id, slot.value));
        }
        gone
    }

    /// Everything, in order.
    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().map(|slot| &slot.value)
    }

    /// Everything, in order, to be changed.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().map(|slot| &mut slot.value)
    }

    /// Everything, in order.
    pub(super) fn into_values(self) -> impl Iterator<Item = T> {
        self.slots.into_iter().map(|slot| slot.value)
    }
}

impl<T> Default for Ledger<T> {
    fn default() -> Ledger<T> {
        Ledger { slots: Vec::new(), newest: HashMap::new() }
    }
}

// A position comes from `find` or `push` and is used before the next `cut`, so it is always there.
impl<T> Index<usize> for Ledger<T> {
    type Output = T;

    fn index(&self, at: usize) -> &T {
        &self.slots[at].value
    }
}

impl<T> IndexMut<usize> for Ledger<T> {
    fn index_mut(&mut self, at: usize) -> &mut T {
        &mut self.slots[at].value
    }
}
