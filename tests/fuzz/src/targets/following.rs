//! Reading and following beside somebody who changes the files in any way: both come to an end, give out only whole lines,
//! in order, and a follower says so when what it has given out is gone.

use super::input::{Input, spoil};
use crate::support::{ID, Lab, holds, reference, segment, segments};
use foldlog::{Cursor, Item};
use std::time::Duration;

/// No follower has more to say of a journal of this size at one time.
const MOST_ITEMS: usize = 2_000;

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let files = reference([1_500, 4_000][input.below(2)]);
    let lab = Lab::with(&files);
    let poll = Duration::from_micros(20);
    let mut follower = lab.store.reader(ID).unwrap().follow(Cursor::start()).unwrap().poll_every(poll);
    let mut last = 0;
    for _ in 0..1 + input.below(6) {
        let mut given = 0;
        for _ in 0..1 + input.below(60) {
            let Some(item) = follower.next_timeout(Duration::from_micros(300)) else { break };
            given += 1;
            match item {
                Ok(Item::Entry(entry)) => {
                    assert!(holds(entry.line().as_bytes()), "{}", entry.line());
                    assert!(entry.seq().get() > last, "{} after {last}", entry.seq());
                    last = entry.seq().get();
                }
                Ok(Item::Rewound(seq)) => last = seq.get(),
                Ok(Item::Replaced) => last = 0,
                Ok(_) | Err(_) => {}
            }
        }
        assert!(given <= MOST_ITEMS);
        // A cursor that was stored at any moment can be read back, and says the same.
        let stored = serde_json::to_string(&follower.cursor()).unwrap();
        let cursor: Cursor = serde_json::from_str(&stored).unwrap();
        assert_eq!(serde_json::to_string(&cursor).unwrap(), stored);
        vandalise(&lab, &mut input);
        read_to_the_end(&lab, cursor);
    }
    let end = std::iter::from_fn(|| follower.next_timeout(Duration::from_micros(300))).take(MOST_ITEMS).count();
    assert!(end < MOST_ITEMS, "a follower of files that stay as they are never has enough");
}

fn read_to_the_end(lab: &Lab, cursor: Cursor) {
    let Ok(reader) = lab.store.reader(ID) else { return };
    for cursor in [Cursor::start(), cursor, Cursor::last(3)] {
        let mut items = reader.items_from(&cursor).unwrap();
        let mut given = 0;
        while let Some(item) = items.next().unwrap() {
            given += 1;
            assert!(given < MOST_ITEMS, "reading has no end");
            if let Item::Entry(entry) = item {
                assert!(holds(entry.line().as_bytes()), "{}", entry.line());
            }
        }
    }
}

fn vandalise(lab: &Lab, input: &mut Input<'_>) {
    let files = lab.files();
    let names = segments(&files);
    let name = names.get(input.below(names.len())).cloned().unwrap_or_else(|| segment(1));
    let path = lab.dir.join(&name);
    let mut bytes = files.get(&name).cloned().unwrap_or_default();
    match input.below(10) {
        0 => lab.put(&reference(1_500)), // another journal of the same session
        1 => {
            let mut fewer = files.clone();
            fewer.remove(&name);
            lab.put(&fewer);
        }
        2 => {
            // Recorded on by a writer that is let in, if it is.
            if let Ok(journal) = lab.store.journal(ID) {
                journal.append(foldlog::TextDelta::new("t", "on")).unwrap().wait().unwrap();
            }
        }
        3 => drop(lab.store.compact(ID)),
        what => {
            spoil(&mut bytes, input);
            match what % 2 {
                0 => lab.disk.set(&path, &bytes),
                _ => lab.disk.overwrite(&path, &bytes),
            }
        }
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let one =
        |what: u8| vec![what & 1, 5, 59, what, what, 200, what, 7, 30, what * 3, 59, 2, what, 9, 9, 9, 59, 0, 2, 59, 3];
    (0..10).map(one).collect()
}
