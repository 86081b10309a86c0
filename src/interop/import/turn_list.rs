//! The turns of a file that stand, oldest first, for going back to one of them. There may be many: none is searched for.

use std::collections::HashMap;

#[derive(Debug, Default)]
pub(super) struct TurnList {
    ids: Vec<String>,
    /// Where each is; of two with one id, the first.
    places: HashMap<String, usize>,
}

impl TurnList {
    pub(super) fn push(&mut self, id: String) {
        self.places.entry(id.clone()).or_insert(self.ids.len());
        self.ids.push(id);
    }

    pub(super) fn last(&self) -> Option<&String> {
        self.ids.last()
    }

    pub(super) fn place_of(&self, id: &str) -> Option<usize> {
        self.places.get(id).copied()
    }

    /// Goes back to before the turn at a place: it, and those after it, do not stand any more.
    pub(super) fn take_from(&mut self, place: usize) -> Vec<String> {
        let gone = self.ids.split_off(place.min(self.ids.len()));
        for id in &gone {
            if self.place_of(id).is_some_and(|first| first >= place) {
                self.places.remove(id);
            }
        }
        gone
    }

    /// The same with the last ones, so many of them; none if there are not so many.
    pub(super) fn take_last(&mut self, count: usize) -> Vec<String> {
        self.ids.len().checked_sub(count).map(|place| self.take_from(place)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::TurnList;

    #[test]
    fn the_first_turn_of_an_id_is_found_as_long_as_it_stands() {
        let mut turns = TurnList::default();
        for id in ["a", "b", "a", "c"] {
            turns.push(id.to_owned());
        }
        assert_eq!((turns.place_of("a"), turns.place_of("c"), turns.place_of("d")), (Some(0), Some(3), None));
        assert_eq!(
            (turns.take_from(2), turns.place_of("a"), turns.place_of("c")),
            (vec!["a".into(), "c".into()], Some(0), None)
        );
        assert!(turns.take_last(3).is_empty() && turns.take_from(7).is_empty());
        turns.push("c".to_owned());
        assert_eq!((turns.take_last(2), turns.last()), (vec!["b".into(), "c".into()], Some(&"a".to_owned())));
        assert_eq!((turns.take_from(0), turns.place_of("a")), (vec!["a".into()], None));
    }
}
