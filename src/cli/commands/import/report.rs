//! What became of a file: one line for people, or one JSON object.

use super::files::Input;
use crate::cli::exit::{Exit, Failure, Outcome, words};
use crate::cli::term::json::versioned;
use crate::cli::term::out::Out;
use crate::cli::term::{human, sanitize};
use foldlog::{ImportCounts, Source};
use serde::Serialize;
use std::collections::BTreeMap;

/// How many damaged lines of a file are named one by one.
const MOST_NAMED: u64 = 20;
/// How many kinds of records that were not understood are named.
const MOST_KINDS: usize = 12;

#[derive(Serialize)]
pub(crate) struct Report {
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_base64: Option<String>,
    format: &'static str,
    session_id: String,
    lines: u64,
    mapped: u64,
    kept_raw: u64,
    damaged: u64,
    salvaged: u64,
    events: u64,
    unknown: BTreeMap<String, u64>,
    kept: BTreeMap<String, u64>,
    notes: BTreeMap<&'static str, u64>,
    #[serde(skip)]
    in_words: Vec<String>,
    #[serde(skip)]
    told: u64,
}

impl Report {
    pub(crate) fn new(input: &Input, source: &Source) -> Report {
        let (file, file_base64) = sanitize::path(&input.path);
        Report {
            file,
            file_base64,
            format: source.format.name(),
            session_id: source.session_id.to_string(),
            lines: 0,
            mapped: 0,
            kept_raw: 0,
            damaged: 0,
            salvaged: 0,
            events: 0,
            unknown: BTreeMap::new(),
            kept: BTreeMap::new(),
            notes: BTreeMap::new(),
            in_words: Vec::new(),
            told: 0,
        }
    }

    /// Names a damaged place.
    pub(crate) fn damage(&mut self, line: u64, byte: u64, what: &str) {
        self.told += 1;
        match self.told {
            0..=MOST_NAMED => words(&format!("{}: line {line}, byte {byte}: {what}", self.file)),
            n if n == MOST_NAMED + 1 => words(&format!("{}: more such places are only counted", self.file)),
            _ => {}
        }
    }

    pub(crate) fn finish(&mut self, counts: &ImportCounts) {
        self.lines = counts.lines;
        self.mapped = counts.mapped;
        self.kept_raw = counts.kept_raw;
        self.damaged = counts.damaged;
        self.salvaged = counts.salvaged;
        self.events = counts.events;
        self.unknown.clone_from(&counts.unknown);
        self.kept.clone_from(&counts.kept);
        self.notes.clone_from(&counts.notes);
        self.in_words = counts.notes_in_words();
    }

    /// Prints it; the exit code says whether anything was damaged.
    pub(crate) fn print(&self, json: bool, out: &mut Out) -> Outcome {
        match json {
            true => out.json(&versioned(self)?)?,
            false => self.print_words(out)?,
        }
        out.flush()?;
        if !self.unknown.is_empty() {
            let mut kinds: Vec<(&String, &u64)> = self.unknown.iter().collect();
            kinds.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            let named: Vec<String> =
                kinds.iter().take(MOST_KINDS).map(|(kind, count)| format!("{kind} ({count})")).collect();
            let more = if kinds.len() > MOST_KINDS { ", ..." } else { "" };
            words(&format!("{}: not understood, and kept as it is: {}{more}", self.file, named.join(", ")));
        }
        Ok(if self.damaged > 0 { Exit::Damage } else { Exit::Fine })
    }

    fn print_words(&self, out: &mut Out) -> Result<(), Failure> {
        let mut line = format!(
            "{}  {} → session {}: {}, {} mapped, {} kept raw",
            sanitize::visible(&self.file),
            self.format,
            sanitize::visible(&self.session_id),
            human::count(self.lines, "line"),
            self.mapped,
            self.kept_raw
        );
        if self.damaged > 0 {
            line.push_str(&format!(
                ", {} damaged ({} saved out of them)",
                self.damaged,
                human::count(self.salvaged, "record")
            ));
        }
        for note in &self.in_words {
            line.push_str(&format!(", {note}"));
        }
        line.push_str(&format!("; {}", human::count(self.events, "new event")));
        out.line(&line)
    }
}
