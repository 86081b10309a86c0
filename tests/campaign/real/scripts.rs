//! What a process is about while one of its system calls goes wrong, which calls those are, and the look at what is left.

use super::child::{ID, Role, acknowledgement};
use super::kills::{check, goes_on};
use super::pipe;
use crate::support::Reading;
use foldlog::{JournalOptions, SessionRecord, Store, TextDelta, TurnEnded, TurnStarted};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

/// More than a script takes under a tracer.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    Record,
    Recover,
    Compact,
    /// `foldlog record`, fed by a pipe.
    Pipe,
}

/// One call of a process, to which something is done.
///
/// `strace` counts calls for each thread, and those on certain files alone if told which. Counted on all of them, the thread
/// that opens a journal uses up the low numbers, and few calls of the threads that write are reached.
#[derive(Clone, Debug)]
pub struct Call {
    pub name: String,
    pub number: usize,
    /// On one of these, below the root.
    files: BTreeSet<PathBuf>,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} on ", self.name, self.number)?;
        match self.files.iter().next() {
            Some(file) if self.files.len() == 1 => write!(f, "{}", file.display()),
            _ => f.write_str("any file"),
        }
    }
}

/// What there was before a process.
pub type Before = Option<(Reading, SessionRecord)>;

impl Script {
    pub const ALL: [Script; 4] = [Script::Record, Script::Recover, Script::Compact, Script::Pipe];

    /// It under `strace` with these arguments.
    fn traced(self, arguments: &[&str], root: &Path) -> Command {
        match self {
            Script::Record | Script::Recover => Role::Record.traced(arguments, root, 1),
            Script::Compact => Role::Compact.traced(arguments, root, 1),
            Script::Pipe => pipe::recorder(&[&["strace", "-f", "-qq"], arguments].concat(), root),
        }
    }

    /// Makes what is there before it.
    pub fn prepare(self, root: &Path) -> Before {
        if matches!(self, Script::Record | Script::Pipe) {
            return None;
        }
        let store = Store::open(root).unwrap();
        let journal = store.journal_with(ID, JournalOptions::default().segment_bytes(1_200)).unwrap();
        for turn in 0..3 {
            let id = format!("t-{turn}");
            journal.append(TurnStarted::new(&id, "Go on")).unwrap().wait().unwrap();
            for piece in 0..4 {
                journal.append(TextDelta::new(&id, format!("0-0-{piece} "))).unwrap().wait().unwrap();
            }
            let answer: String = (0..4).map(|piece| format!("0-0-{piece} ")).collect();
            journal.append(TurnEnded::success(&id).response_content(answer)).unwrap().wait().unwrap();
        }
        if self == Script::Compact {
            journal.close().wait().unwrap();
        } else {
            drop(journal);
            tear(&root.join(ID));
        }
        let reader = store.reader(ID).unwrap();
        Some((Reading::of(&reader), reader.fold().unwrap()))
    }

    /// Runs it with something done to a call, to its end, which must come. What it said, and how it ended.
    pub fn injected(self, call: &Call, fault: &str, root: &Path, what: &str) -> (String, ExitStatus) {
        let (trace, inject) = (format!("trace={}", call.name), format!("inject={}:{fault}", call.name));
        let mut arguments = vec!["-o", "/dev/null", "-e", &trace, "-e", &inject];
        // Without the slash that joining nothing leaves at the end.
        let files: Vec<PathBuf> = call.files.iter().map(|file| root.join(file).components().collect()).collect();
        arguments.extend(files.iter().flat_map(|file| ["-P", file.to_str().unwrap()]));
        run(&mut self.traced(&arguments, root), what)
    }

    /// Its calls of these kinds on the session's files, counted on each file alone and on all of them together.
    pub fn calls(self, kinds: &[&str]) -> Vec<Call> {
        let traced = self.trace(kinds);
        let all: BTreeSet<PathBuf> = traced.iter().map(|(_, _, file)| file.clone()).collect();
        let each = all.iter().map(|file| BTreeSet::from([file.clone()]));
        each.chain([all.clone()]).flat_map(|files| most_by_one_thread(&traced, &files)).collect()
    }

    /// The thread, the kind and the file of each call.
    fn trace(self, kinds: &[&str]) -> Vec<(String, String, PathBuf)> {
        let root = tempfile::tempdir().unwrap();
        self.prepare(root.path());
        let log = tempfile::NamedTempFile::new().unwrap();
        let watched = format!("trace={}", kinds.join(","));
        let arguments = ["-y", "-o", log.path().to_str().unwrap(), "-e", &watched];
        let (_, status) = run(&mut self.traced(&arguments, root.path()), "a script");
        assert!(status.success(), "{self:?} does not end well");
        std::fs::read_to_string(log.path()).unwrap().lines().filter_map(|line| parsed(line, root.path())).collect()
    }

    /// Everything that was there before or was said to be safe is there, nothing else is, and the next process goes on.
    /// Returns how many events had been said to be safe.
    pub fn look(self, root: &Path, before: &Before, said: &str, what: &str) -> u64 {
        if self == Script::Pipe {
            return pipe::look(root, said, what);
        }
        let promised: BTreeMap<u64, String> = said.lines().filter_map(acknowledgement).collect();
        let store = Store::open(root).unwrap();
        if let (Script::Compact, Some((_, fold))) = (self, before) {
            assert_eq!(&store.reader(ID).unwrap().fold().unwrap(), fold, "{what}: the session is another one");
            store.compact(ID).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(&store.reader(ID).unwrap().fold().unwrap(), fold, "{what}: compacted, it is another one");
            assert!(store.reader(ID).unwrap().verify().unwrap().clean, "{what}");
            return 0;
        }
        check(&store, &promised, 1, what);
        goes_on(&store, &promised, what);
        let after = Reading::of(&store.reader(ID).unwrap());
        for (seq, line) in before.iter().flat_map(|(reading, _)| &reading.entries) {
            assert!(after.entries.get(seq) == Some(line), "{what}: {seq} had been there before");
        }
        promised.len() as u64
    }
}

/// Whether processes can be traced here.
pub fn traces() -> bool {
    let traced = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    traced.is_ok_and(|status| status.success())
}

/// Runs a command to its end, which must come. What it said, and how it ended.
pub(super) fn run(command: &mut Command, what: &str) -> (String, ExitStatus) {
    let mut child = command.spawn().unwrap();
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take().unwrap());
    let talking = std::thread::spawn(move || pipe::talk(stdin, stdout));
    let end = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > end {
            let _ = child.kill();
            panic!("{what}: it hangs");
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    (talking.join().unwrap(), status)
}

/// Ends the newest segment in the middle of a line.
fn tear(dir: &Path) {
    let mut segments: Vec<_> = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()).collect();
    segments.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    let newest = segments.into_iter().max().unwrap();
    let torn = b"{\"seq\":19,\"synced\":18,\"time\":\"2026-";
    std::fs::OpenOptions::new().append(true).open(newest).unwrap().write_all(torn).unwrap();
}

/// The calls on these files, numbered up to as many as one thread makes.
fn most_by_one_thread(traced: &[(String, String, PathBuf)], files: &BTreeSet<PathBuf>) -> Vec<Call> {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (thread, name, _) in traced.iter().filter(|(_, _, file)| files.contains(file)) {
        *counts.entry((name, thread)).or_default() += 1;
    }
    let mut most: BTreeMap<&str, usize> = BTreeMap::new();
    for ((name, _), count) in counts {
        let known = most.entry(name).or_default();
        *known = count.max(*known);
    }
    let call = |name: &str, number| Call { name: name.to_owned(), number, files: files.clone() };
    most.into_iter()
        .flat_map(|(name, most)| (1..=most).map(move |number| (name, number)))
        .map(|(n, c)| call(n, c))
        .collect()
}

/// The thread, the call and the file of a line of `strace -f -y`, if the file is the session's.
fn parsed(line: &str, root: &Path) -> Option<(String, String, PathBuf)> {
    let (thread, call) = line.split_once(' ')?;
    let (name, arguments) = call.trim_start().split_once('(')?;
    let at = arguments.find(root.to_str()?)?;
    let path = arguments[at..].split(['"', '>']).next()?;
    Some((thread.to_owned(), name.to_owned(), Path::new(path).strip_prefix(root).ok()?.to_owned()))
}
