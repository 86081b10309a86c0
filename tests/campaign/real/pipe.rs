//! A client of `foldlog record`: it puts events into the pipe, a few at a time, hears which of them are safe, and after
//! whatever has happened goes on behind the last one that is there.

use super::child::{ID, text};
use super::scripts::run;
use foldlog::{Event, Item, Store};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

/// How many events it has.
const EVENTS: usize = 12;
/// How many it puts in before it waits for them.
const AT_ONCE: usize = 2;

/// `foldlog record` behind these words, to be spoken to.
pub fn recorder(words: &[&str], root: &Path) -> Command {
    let mut words = words.iter().copied().chain([env!("CARGO_BIN_EXE_foldlog")]);
    let mut command = Command::new(words.next().unwrap());
    command.args(words).arg("--root").arg(root).args(["record", ID, "--ack", "--segment-bytes", "1500"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// Says everything to a child, if it listens, and hears it to its end. What it said.
pub fn talk(stdin: Option<ChildStdin>, stdout: ChildStdout) -> String {
    let (mut stdout, mut said) = (BufReader::new(stdout), String::new());
    if let Some(mut stdin) = stdin
        && let Some(ready) = hear(&mut stdout, &mut said, |reply| reply["ready"] == true)
    {
        let there = ready["last_id"].as_str().map_or(0, |id| id[2..].parse::<usize>().unwrap() + 1);
        for first in (there..EVENTS).step_by(AT_ONCE) {
            let end = EVENTS.min(first + AT_ONCE);
            let events: String = (first..end).map(|number| event(number) + "\n").collect();
            let safe = |reply: &Value| reply["seq"].is_u64() && reply["line"] == end - there;
            if stdin.write_all(events.as_bytes()).is_err() || hear(&mut stdout, &mut said, safe).is_none() {
                break;
            }
        }
    }
    stdout.read_to_string(&mut said).unwrap();
    said
}

fn event(number: usize) -> String {
    let data = json!({"turn_id": "t", "text": text(1, 0, number)});
    json!({"type": "text_delta", "id": format!("e-{number}"), "data": data}).to_string()
}

/// The reply that is waited for; `None` if the recorder ends without it.
fn hear(replies: &mut impl BufRead, said: &mut String, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
    loop {
        let from = said.len();
        if replies.read_line(said).unwrap() == 0 {
            return None;
        }
        match serde_json::from_str(&said[from..]) {
            Ok(reply) if wanted(&reply) => return Some(reply),
            _ => {}
        }
    }
}

/// What was said to be safe is there under the number that was said, nothing is there that was not sent, and a recorder that
/// is started again is told where to go on: then everything is there once, in order. Returns how many had been safe.
pub fn look(root: &Path, said: &str, what: &str) -> u64 {
    let replies = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let safe: Vec<(usize, u64)> =
        replies.filter_map(|reply| Some((reply["line"].as_u64()? as usize, reply["seq"].as_u64()?))).collect();
    let found = recorded(root, what);
    for (line, seq) in &safe {
        let there = found.get(line - 1).map(|(seq, _)| seq);
        assert_eq!(there, Some(seq), "{what}: line {line} had been acknowledged");
    }
    let (_, status) = run(&mut recorder(&[], root), what);
    assert!(status.success(), "{what}: the next recorder fails");
    let all = recorded(root, what);
    assert_eq!(all.len(), EVENTS, "{what}: lost, or there twice");
    assert!(all.starts_with(&found), "{what}: what had been there is another");
    let report = Store::open(root).unwrap().reader(ID).unwrap().verify().unwrap();
    assert!(report.clean, "{what}: {report:#?}");
    safe.last().map_or(0, |(line, _)| *line as u64)
}

/// The events that are there, with their numbers: the first ones that were sent, in order.
fn recorded(root: &Path, what: &str) -> Vec<(u64, String)> {
    let Ok(reader) = Store::open(root).unwrap().reader(ID) else { return Vec::new() };
    let (mut items, mut found) = (reader.items().unwrap(), Vec::new());
    while let Some(item) = items.next().unwrap() {
        if let Item::Entry(entry) = item
            && let Ok(Event::TextDelta(delta)) = entry.event()
        {
            assert_eq!(delta.text.to_string(), text(1, 0, found.len()), "{what}: {} is not what was sent", entry.seq());
            found.push((entry.seq().get(), delta.text.to_string()));
        }
    }
    found
}
