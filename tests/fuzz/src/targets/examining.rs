//! The doctor: of any bytes, as any format, every line that no agent could read is named; a repaired copy can be read, has
//! nothing wrong with its bytes, needs no second repair, and still holds every line that was in order.

use super::importing::{self, is_blank, spoilt};
use super::input::Input;
use crate::transcripts::{examine, repair};
use foldlog::{Finding, FindingKind};
use serde::de::IgnoredAny;
use std::collections::BTreeMap;

pub fn run(bytes: &[u8]) {
    let (format, file) = spoilt(&mut Input::new(bytes));
    examine(&file, None);
    let told = examine(&file, Some(format));
    let lines: Vec<&[u8]> = physical_lines(&file).collect();
    for finding in &told {
        assert!(finding.line <= lines.len() as u64 + 1 && finding.byte <= file.len() as u64, "{finding:?}");
    }
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| !is_blank(line)) {
        let named = told.iter().any(|finding| finding.line == at as u64 + 1);
        assert!(named || is_object(line), "line {} is not told: {}", at + 1, line.escape_ascii());
    }
    let once = repair(&file, Some(format));
    for line in physical_lines(&once).filter(|line| !is_blank(line)) {
        assert!(is_object(line), "no agent can read this: {}", line.escape_ascii());
    }
    let left = examine(&once, Some(format));
    assert!(!left.iter().any(is_about_bytes), "{left:?} in {}", once.escape_ascii());
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| !is_blank(line)) {
        let in_order = !told.iter().any(|finding| finding.line == at as u64 + 1);
        let kept = physical_lines(&once).any(|kept| kept == *line);
        assert!(kept || !in_order, "line {} was in order and is gone: {}", at + 1, line.escape_ascii());
    }
    // Linking a record to another one may make it the same as a third: then that one goes.
    let twice = repair(&once, Some(format));
    assert!(physical_lines(&twice).all(|line| physical_lines(&once).any(|known| known == line)));
}

fn is_about_bytes(finding: &Finding) -> bool {
    (FindingKind::TornTail..=FindingKind::TooDeep).contains(&finding.kind)
}

fn is_object(line: &[u8]) -> bool {
    match serde_json::from_slice::<BTreeMap<String, serde_json::Value>>(line) {
        Ok(_) => true,
        // One that is too great for this reader is JSON all the same.
        Err(error) if error.to_string().starts_with("number out of range") => {
            serde_json::from_slice::<BTreeMap<String, IgnoredAny>>(line).is_ok()
        }
        Err(_) => false,
    }
}

/// The lines of a file as nobody else but this target cuts them.
fn physical_lines(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    file.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(file).split(|byte| *byte == b'\n')
}

pub fn seeds() -> Vec<Vec<u8>> {
    importing::seeds()
}
