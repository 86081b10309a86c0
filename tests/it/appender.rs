//! A process that appends under load until it is killed, and the look at what it left. Other targets share it.

use crate::support::{ID, Reading, child_place};
use foldlog::{Durability, Journal, JournalOptions, Store, TextDelta};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// Which level the child promises.
pub const LEVEL: &str = "FOLDLOG_TEST_LEVEL";

pub fn options(durability: Durability) -> JournalOptions {
    JournalOptions::default().durability(durability).segment_bytes(20_000)
}

/// Appends under load until it is killed, printing each number once it is as safe as was asked, with the text.
#[test]
fn child_that_appends() {
    let Some(place) = child_place() else { return };
    let durability = match std::env::var(LEVEL).as_deref() {
        Ok("written") => Durability::Written,
        _ => Durability::Synced,
    };
    let journal = Store::open(place).unwrap().journal_with(ID, options(durability)).unwrap();
    let run = std::process::id();
    std::thread::spawn(|| {
        // Whatever becomes of the parent, and whatever hangs here, this process ends.
        std::thread::sleep(Duration::from_secs(60));
        std::process::exit(9);
    });
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let journal = journal.clone();
            scope.spawn(move || append_for_ever(&journal, &format!("{run}-{thread}")));
        }
    });
}

fn append_for_ever(journal: &Journal, name: &str) {
    for number in 0.. {
        let text = format!("{name}-{number} é {}", "x".repeat(number % 700));
        if number % 5 == 0 {
            let _ = journal.push(TextDelta::new("t", "nobody waits for this"));
        }
        match journal.append(TextDelta::new("t", &text)).map_err(Into::into).and_then(|ticket| ticket.wait()) {
            // One write a line: a killed process leaves whole lines in the pipe.
            Ok(seq) => std::io::stdout().write_all(format!("\nack {seq} {text}\n").as_bytes()).unwrap(),
            Err(error) => {
                println!("\nerror {error}");
                return;
            }
        }
    }
}

pub fn acknowledgement(line: &str) -> Option<(u64, String)> {
    let (seq, text) = line.strip_prefix("ack ")?.split_once(' ')?;
    Some((seq.parse().ok()?, text.to_owned()))
}

/// Everything acknowledged so far is there; one more opening, in this process, explains the rest.
pub fn assert_kept(root: &Path, acknowledged: &BTreeMap<u64, String>, round: usize) {
    let store = Store::open(root).unwrap();
    let journal = store.journal_with(ID, options(Durability::Synced)).unwrap();
    let highest = acknowledged.last_key_value().map_or(0, |(seq, _)| *seq);
    assert!(journal.recovered().last_seq.get() >= highest, "round {round}");
    let seq = journal.append(TextDelta::new("t", "between two runs")).unwrap().wait().unwrap();
    assert!(seq.get() > highest, "round {round}: {seq} was acknowledged before");
    if round.is_multiple_of(2) {
        journal.close().wait().unwrap();
    }
    drop(journal);
    let reading = Reading::of(&store.reader(ID).unwrap());
    assert!(reading.is_clean(), "round {round}: {:?}", reading.gaps);
    for (seq, text) in acknowledged {
        let line = reading.entries.get(seq).unwrap_or_else(|| panic!("round {round}: acknowledged {seq} is missing"));
        let line = String::from_utf8_lossy(line);
        assert!(line.contains(&format!("\"{text}\"")), "round {round}: {seq} is another event: {line}");
    }
}
