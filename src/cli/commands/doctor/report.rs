//! What the doctor says: every finding, and then one line a file.

use crate::cli::exit::{Exit, Failure, Outcome};
use crate::cli::term::json::versioned;
use crate::cli::term::out::{Look, Out};
use crate::cli::term::{human, sanitize};
use foldlog::{Finding, FindingKind, SourceFormat};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// How many findings of a kind are shown for a file. In JSON, all are.
const MOST_SHOWN: u64 = 10;

pub(crate) struct Report {
    file: String,
    file_base64: Option<String>,
    format: Option<SourceFormat>,
    json: bool,
    kinds: BTreeMap<FindingKind, u64>,
    lines: u64,
    records: u64,
    bytes: u64,
    copy: Option<String>,
    copy_base64: Option<String>,
    changes: u64,
}

#[derive(Serialize)]
struct FindingLine<'a> {
    file: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_base64: Option<&'a str>,
    line: u64,
    byte: u64,
    bytes: u64,
    class: FindingKind,
    damage: bool,
    what: &'a str,
    saved: &'a str,
    lost: &'a str,
}

#[derive(Serialize)]
struct ChangeLine<'a> {
    file: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_base64: Option<&'a str>,
    line: u64,
    byte: u64,
    change: &'a str,
    output: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_base64: Option<&'a str>,
    output_line: u64,
    output_lines: u64,
}

#[derive(Serialize)]
struct FileLine<'a> {
    file: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_base64: Option<&'a str>,
    format: Option<&'a str>,
    lines: u64,
    records: u64,
    bytes: u64,
    damage: u64,
    notes: u64,
    classes: BTreeMap<&'a str, u64>,
    clean: bool,
    output: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_base64: Option<&'a str>,
    changes: u64,
}

impl Report {
    pub(crate) fn new(path: &Path, format: Option<SourceFormat>, json: bool) -> Report {
        let (file, file_base64) = sanitize::path(path);
        Report {
            file,
            file_base64,
            format,
            json,
            kinds: BTreeMap::new(),
            lines: 0,
            records: 0,
            bytes: 0,
            copy: None,
            copy_base64: None,
            changes: 0,
        }
    }

    pub(crate) fn finding(&mut self, finding: Finding, out: &mut Out) -> Result<(), Failure> {
        let count = self.kinds.entry(finding.kind).or_default();
        *count += 1;
        let (kind, count) = (finding.kind, *count);
        if self.json {
            let line = FindingLine {
                file: &self.file,
                file_base64: self.file_base64.as_deref(),
                line: finding.line,
                byte: finding.byte,
                bytes: finding.bytes,
                class: kind,
                damage: kind.is_damage(),
                what: kind.words(),
                saved: kind.saved(),
                lost: kind.lost(),
            };
            return out.json(&versioned(&line)?);
        }
        let file = sanitize::visible(&self.file).into_owned();
        if count > MOST_SHOWN {
            let more = format!("{file}: more places of the class {kind} are only counted");
            return if count == MOST_SHOWN + 1 { out.line(&out.paint(Look::Dim, &more)) } else { Ok(()) };
        }
        let bytes = match finding.bytes {
            0 => String::new(),
            bytes => format!(", {}", human::count(bytes, "byte")),
        };
        let look = if kind.is_damage() { Look::Bad } else { Look::Dim };
        let mut line = format!("{file}: line {}, byte {}{bytes}: ", finding.line, finding.byte);
        line.push_str(&out.paint(look, &format!("{kind}: {}", kind.words())));
        if !kind.saved().is_empty() {
            line.push_str(&format!("; saved: {}", kind.saved()));
        }
        if !kind.lost().is_empty() {
            line.push_str(&format!("; lost: {}", kind.lost()));
        }
        out.line(&line)
    }

    pub(crate) fn counted(&mut self, lines: u64, records: u64, bytes: u64) {
        (self.lines, self.records, self.bytes) = (lines, records, bytes);
    }

    /// Whether anything was found that a copy could do without.
    pub(crate) fn is_worth_a_copy(&self) -> bool {
        self.damage() > 0 || self.kinds.contains_key(&FindingKind::LineSeparator)
    }

    pub(crate) fn copied_to(&mut self, output: &Path) {
        let (copy, copy_base64) = sanitize::path(output);
        (self.copy, self.copy_base64) = (Some(copy), copy_base64);
    }

    /// A line that is not in the copy as it is in the file.
    pub(crate) fn change(&mut self, line: u64, byte: u64, at: u64, lines: u64, out: &mut Out) -> Result<(), Failure> {
        self.changes += 1;
        let output = self.copy.as_deref().unwrap_or_default();
        let change = match lines {
            0 => "left out",
            1 => "rewritten",
            _ => "split",
        };
        if self.json {
            let line = ChangeLine {
                file: &self.file,
                file_base64: self.file_base64.as_deref(),
                line,
                byte,
                change,
                output,
                output_base64: self.copy_base64.as_deref(),
                output_line: at,
                output_lines: lines,
            };
            return out.json(&versioned(&line)?);
        }
        let place = match lines {
            0 => String::new(),
            1 => format!(" as line {at}"),
            _ => format!(" into lines {at} to {}", at + lines - 1),
        };
        out.line(&format!("{}: line {line}, byte {byte}: {change}{place}", sanitize::visible(output)))
    }

    fn damage(&self) -> u64 {
        self.kinds.iter().filter(|(kind, _)| kind.is_damage()).map(|(_, count)| count).sum()
    }

    pub(crate) fn finish(self, out: &mut Out) -> Outcome {
        let damage = self.damage();
        let notes = self.kinds.values().sum::<u64>() - damage;
        let format = self.format.map(SourceFormat::name);
        if self.json {
            let line = FileLine {
                file: &self.file,
                file_base64: self.file_base64.as_deref(),
                format,
                lines: self.lines,
                records: self.records,
                bytes: self.bytes,
                damage,
                notes,
                classes: self.kinds.iter().map(|(kind, count)| (kind.as_str(), *count)).collect(),
                clean: damage == 0,
                output: self.copy.as_deref(),
                output_base64: self.copy_base64.as_deref(),
                changes: self.changes,
            };
            out.json(&versioned(&line)?)?;
        } else {
            let verdict = match damage {
                0 => out.paint(Look::Good, "✓ clean"),
                _ => out.paint(Look::Bad, "✗ damaged"),
            };
            let kinds: Vec<String> = self.kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            let mut line = format!(
                "{verdict}  {}  {}, {}, {}",
                sanitize::visible(&self.file),
                format.unwrap_or("JSON lines"),
                human::count(self.lines, "line"),
                human::count(self.records, "good record")
            );
            if !kinds.is_empty() {
                line.push_str(&format!("; found: {}", kinds.join(", ")));
            }
            if let Some(copy) = &self.copy {
                line.push_str(&format!(
                    "; repaired as {}, {}",
                    sanitize::visible(copy),
                    human::count(self.changes, "change")
                ));
            }
            out.line(&line)?;
        }
        out.flush()?;
        Ok(if damage > 0 { Exit::Damage } else { Exit::Fine })
    }
}
