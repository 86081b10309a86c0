//! Processes to be killed: this program again, told by its environment what to do. What they are told is safe they print,
//! a line in one write, so that a killed one leaves whole lines in the pipe.

use foldlog::{CompactOptions, Durability, Journal, JournalOptions, Store, TextDelta, Ticket};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const ROLE: &str = "FOLDLOG_CAMPAIGN_ROLE";
const RUN: &str = "FOLDLOG_CAMPAIGN_RUN";
/// The session that all of them work on.
pub const ID: &str = "killed";

/// What a child does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Opens, appends a few events in small segments, closes.
    Record,
    /// Compacts the session.
    Compact,
    /// Appends from some threads until it is killed.
    Flood { threads: usize, level: Durability },
}

impl Role {
    fn name(self) -> String {
        match self {
            Role::Record => "record".to_owned(),
            Role::Compact => "compact".to_owned(),
            Role::Flood { threads, level: Durability::Written } => format!("written {threads}"),
            Role::Flood { threads, .. } => format!("synced {threads}"),
        }
    }

    fn parse(name: &str) -> Role {
        match name.split_once(' ') {
            None if name == "compact" => Role::Compact,
            None => Role::Record,
            Some((level, threads)) => {
                let level = if level == "written" { Durability::Written } else { Durability::Synced };
                Role::Flood { threads: threads.parse().unwrap(), level }
            }
        }
    }

    /// This program in this role, on the store at `root`.
    pub fn command(self, root: &Path, run: u64) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        self.prepare(&mut command, root, run);
        command
    }

    /// The same under `strace` with these arguments.
    pub fn traced(self, arguments: &[&str], root: &Path, run: u64) -> Command {
        let mut command = Command::new("strace");
        command.args(["-f", "-qq"]).args(arguments).arg(std::env::current_exe().unwrap());
        self.prepare(&mut command, root, run);
        command
    }

    fn prepare(self, command: &mut Command, root: &Path, run: u64) {
        command.arg(root).env(ROLE, self.name()).env(RUN, run.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    }
}

/// Whether this process is a child; then all it had to do is done.
pub fn ran() -> bool {
    let Ok(role) = std::env::var(ROLE) else { return false };
    let run: u64 = std::env::var(RUN).unwrap().parse().unwrap();
    let store = Store::open(std::env::args_os().nth(1).unwrap()).unwrap();
    match Role::parse(&role) {
        Role::Record => record(&store, run),
        Role::Compact => drop(store.compact_with(ID, &CompactOptions::default(), &mut |_| {}).unwrap()),
        Role::Flood { threads, level } => flood(&store, run, threads, level),
    }
    true
}

/// The text of an event: nobody else says the same.
pub fn text(run: u64, thread: usize, number: usize) -> String {
    format!("{run}-{thread}-{number} {}", "é\\\"".repeat(number * 7 % 120))
}

/// Whether a text is one that a child of a run up to this one submits.
pub fn is_ours(found: &str, runs: u64) -> bool {
    let mut numbers = found.split(' ').next().unwrap_or_default().split('-').map(str::parse::<usize>);
    let mut next = || numbers.next().and_then(Result::ok);
    let (Some(run), Some(thread), Some(number)) = (next(), next(), next()) else { return false };
    run as u64 <= runs && found == text(run as u64, thread, number)
}

/// `ack SEQ TEXT`
pub fn acknowledgement(line: &str) -> Option<(u64, String)> {
    let (seq, text) = line.strip_prefix("ack ")?.split_once(' ')?;
    Some((seq.parse().ok()?, text.to_owned()))
}

fn acknowledge(ticket: Ticket, text: &str) -> bool {
    let Ok(seq) = ticket.wait() else { return false };
    std::io::stdout().write_all(format!("\nack {seq} {text}\n").as_bytes()).is_ok()
}

fn record(store: &Store, run: u64) {
    let journal = store.journal_with(ID, JournalOptions::default().segment_bytes(1_500).prefill(400)).unwrap();
    for number in 0..9 {
        let _ = journal.push(TextDelta::new("t", text(run, 1, number)));
        let text = text(run, 0, number);
        acknowledge(journal.append(TextDelta::new("t", text.as_str())).unwrap(), &text);
    }
    journal.close().wait().unwrap();
}

fn flood(store: &Store, run: u64, threads: usize, level: Durability) {
    let options = JournalOptions::default().durability(level).segment_bytes(8_000).prefill(run % 2 * 3_000);
    let journal = store.journal_with(ID, options).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let journal = &journal;
            scope.spawn(move || append_for_ever(journal, run, thread));
        }
    });
}

fn append_for_ever(journal: &Journal, run: u64, thread: usize) {
    for number in 0.. {
        let text = text(run, thread, number);
        let event = TextDelta::new("t", text.as_str());
        // Whatever becomes of the parent, this ends: nobody reads the pipe any more.
        let goes_on = match number % 4 {
            3 => journal.push(event).is_ok() || journal.ready().wait().is_ok(),
            _ => journal.append(event).is_ok_and(|ticket| acknowledge(ticket, &text)),
        };
        if !goes_on {
            return;
        }
    }
}
