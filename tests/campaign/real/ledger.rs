//! What recorders were asked to keep and what they promised, written down outside of what is harmed; and the check of a
//! store against it.

use foldlog::{Event, Item, Journal, Seq, Store, TextDelta, Ticket};
use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard};

/// Of all sessions. Texts are all different.
#[derive(Default)]
pub struct Ledger(Mutex<Book>);

#[derive(Default)]
struct Book {
    /// The power is being cut: what is acknowledged from now on does not count.
    over: bool,
    accounts: BTreeMap<String, Account>,
    texts: u64,
}

#[derive(Default)]
struct Account {
    submitted: HashSet<String>,
    /// By number.
    promised: BTreeMap<u64, String>,
}

/// What a check has seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    pub promised: u64,
    pub torn: u64,
    pub nuls: u64,
}

impl Ledger {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap()
    }

    /// A text that nobody has submitted yet, about so long.
    pub fn submit(&self, session: &str, length: usize) -> String {
        let mut book = self.book();
        book.texts += 1;
        let text = format!("{session} {} {}", book.texts, "é\"x".repeat(length / 4));
        book.accounts.entry(session.to_owned()).or_default().submitted.insert(text.clone());
        text
    }

    /// Appends a text of its own; the ticket is what is promised.
    pub fn append(&self, journal: &Journal, length: usize) -> Option<(Ticket, String)> {
        let text = self.submit(journal.session_id().as_str(), length);
        let ticket = journal.append(TextDelta::new("t", text.as_str())).ok()?;
        Some((ticket, text))
    }

    /// The recorder has said that it is safe.
    pub fn promise(&self, session: &str, seq: Seq, text: String) {
        let mut book = self.book();
        if !book.over {
            book.accounts.entry(session.to_owned()).or_default().promised.insert(seq.get(), text);
        }
    }

    /// The numbers that were promised to a session.
    pub fn promised(&self, session: &str) -> Vec<u64> {
        self.book().accounts[session].promised.keys().copied().collect()
    }

    /// From now on no promise counts.
    pub fn end(&self) {
        self.book().over = true;
    }

    pub fn begin(&self) {
        self.book().over = false;
    }

    /// Every session holds what was promised, in order, and nothing that was not submitted.
    pub fn check(&self, store: &Store, what: &str) -> Seen {
        let mut seen = Seen::default();
        for (session, account) in &self.book().accounts {
            let found = read(store, session, &mut seen, what);
            for (seq, text) in &account.promised {
                assert_eq!(found.get(seq), Some(text), "{what}: {session}: {seq} had been promised");
            }
            for (seq, text) in &found {
                assert!(account.submitted.contains(text), "{what}: {session}: {seq} was never submitted: {text}");
            }
            seen.promised += account.promised.len() as u64;
        }
        seen
    }

    /// Opens every session again, which explains what is missing, and checks once more.
    pub fn check_reopened(&self, store: &Store, what: &str) {
        let sessions: Vec<String> = self.book().accounts.keys().cloned().collect();
        for session in sessions {
            let journal = store.journal(session.as_str()).unwrap_or_else(|error| panic!("{what}: {session}: {error}"));
            let (ticket, text) = self.append(&journal, 20).expect("a fresh journal takes events");
            let seq = ticket.wait().unwrap_or_else(|error| panic!("{what}: {session}: {error}"));
            let highest = self.book().accounts[&session].promised.last_key_value().map_or(0, |(seq, _)| *seq);
            assert!(seq.get() > highest, "{what}: {session}: {seq} was given before");
            self.promise(&session, seq, text);
            journal.close().wait().unwrap();
            let report = store.reader(session.as_str()).unwrap().verify().unwrap();
            assert!(report.clean, "{what}: {session}: {report:#?}");
        }
        self.check(store, what);
    }
}

/// The texts of a session's entries, by number.
fn read(store: &Store, session: &str, seen: &mut Seen, what: &str) -> BTreeMap<u64, String> {
    let mut found = BTreeMap::new();
    let Ok(reader) = store.reader(session) else { return found };
    let (mut items, mut last) = (reader.items().unwrap(), 0);
    while let Some(item) = items.next().unwrap() {
        match item {
            Item::Entry(entry) => {
                assert!(entry.seq().get() > last, "{what}: {session}: {} comes after {last}", entry.seq());
                last = entry.seq().get();
                if let Ok(Event::TextDelta(delta)) = entry.event() {
                    found.insert(last, delta.text.to_string());
                }
            }
            Item::Gap(gap) if !gap.explained => {
                seen.torn += 1;
                let path = reader.path().join(format!("{:08}.jsonl", gap.segment));
                let bytes = std::fs::read(path).unwrap_or_default();
                let end = bytes.len().min((gap.offset + gap.bytes) as usize);
                let start = end.min(gap.offset as usize);
                seen.nuls += u64::from(bytes[start..end].contains(&0));
            }
            _ => {}
        }
    }
    found
}
