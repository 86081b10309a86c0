//! Compaction: whatever lies in a journal's directory, a compaction drops nothing but streaming that something repeats,
//! hides no damage, leaves the fold as it was, and has nothing left to do when it is done.

use super::input::Input;
use super::vandal::{bases, vandalise};
use crate::support::{ID, Lab, Reading};
use foldlog::GapKind;
use std::collections::BTreeSet;

const STREAMING: [&str; 3] = ["text_delta", "reasoning_delta", "tool_call_output"];

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut files = bases()[bases().len() - 1 - input.below(bases().len())].clone();
    for _ in 0..input.below(4) {
        vandalise(&mut files, &mut input);
    }
    let lab = Lab::with(&files);
    let Ok(reader) = lab.store.reader(ID) else { return };
    if input.below(2) == 1 {
        // Whoever records first leaves a report of what was damaged.
        let _ = lab.store.journal(ID).map(|journal| drop(journal.push(foldlog::TextDelta::new("t-0", "on"))));
    }
    let (before, fold) = (lab.read(), reader.fold().unwrap());
    if lab.store.compact(ID).is_err() {
        assert_eq!(lab.read().entries, before.entries, "a compaction that failed has changed something");
        return;
    }
    let after = lab.read();
    assert_only_streaming_went(&before, &after);
    assert_eq!(damage(&after), damage(&before));
    assert_eq!(
        serde_json::to_string(&reader.fold().unwrap()).unwrap(),
        serde_json::to_string(&fold).unwrap(),
        "the fold has changed"
    );
    let compacted = lab.files();
    lab.store.compact(ID).unwrap();
    assert_eq!(lab.read().entries, after.entries, "a second compaction dropped more");
    assert_eq!(lab.files().keys().collect::<Vec<_>>(), compacted.keys().collect::<Vec<_>>());
}

fn assert_only_streaming_went(before: &Reading, after: &Reading) {
    for (seq, line) in &after.entries {
        assert_eq!(before.entries.get(seq), Some(line), "entry {seq} is new or another one");
    }
    for line in before.entries.iter().filter(|(seq, _)| !after.entries.contains_key(seq)).map(|(_, line)| line) {
        let has = |name: &str| memchr::memmem::find(line, format!("\"type\":\"{name}\"").as_bytes()).is_some();
        assert!(STREAMING.iter().any(|name| has(name)), "this went: {}", line.escape_ascii());
    }
}

/// The numbers that unexplained gaps are about, and their kinds: their places in files may change. What came twice is told
/// of as long as the two stand in segments that are read one by one.
fn damage(reading: &Reading) -> BTreeSet<(&'static str, Option<u64>, Option<u64>)> {
    let told = reading.gaps.iter().filter(|gap| !gap.explained && gap.kind != GapKind::Duplicate);
    told.map(|gap| (gap.kind.as_str(), gap.first_seq.map(|seq| seq.get()), gap.last_seq.map(|seq| seq.get()))).collect()
}

/// Each journal as it is, and after one thing that happens to it.
pub fn seeds() -> Vec<Vec<u8>> {
    let one = |base: u8, what: u8| {
        vec![base, what & 1, what, what, 3 * what, what.wrapping_mul(21), what, 5, 9, 200, 13, 10, 1, 1]
    };
    (0..bases().len() as u8).flat_map(|base| (0..17).map(move |what| one(base, what))).collect()
}
