//! System calls that fail for real: each call that a script makes on a journal's files, once, twice or from then on.

use super::child::{ID, acknowledgement};
use super::kills::{Script, check, counted, goes_on, traces};
use crate::part::{Outcome, Part, Scope, Tally};
use crate::support::{Dice, Reading, has};
use foldlog::Store;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

pub const INJECTED: Part = Part {
    name: "injected-errors",
    unit: "errors",
    what: "a call on a journal's files fails, once, twice or from then on, while a process records, recovers or compacts",
    slice: 14,
    full: u64::MAX,
    run: injected,
};

/// What each call may answer.
const ERRORS: [(&str, &[&str]); 11] = [
    ("openat", &["EINTR", "EIO", "EMFILE"]),
    ("pread64", &["EINTR", "EIO"]),
    ("pwrite64", &["EINTR", "EIO", "ENOSPC"]),
    ("fdatasync", &["EINTR", "EIO", "ENOSPC"]),
    ("fsync", &["EINTR", "EIO"]),
    ("ftruncate", &["EINTR", "EIO"]),
    ("close", &["EIO"]),
    ("rename", &["EIO"]),
    ("unlink", &["EIO"]),
    ("flock", &["EINTR", "EIO"]),
    ("getdents64", &["EIO"]),
];

/// More than a script takes under a tracer.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
struct Fault {
    script: Script,
    call: String,
    error: &'static str,
    number: usize,
    /// How many in a row; `None` for it and all later ones.
    times: Option<usize>,
}

fn injected(scope: &Scope) -> Outcome {
    if !has("strace", INJECTED.name) || !traces() {
        return Outcome::Skipped("there is no strace, or it may not trace".to_owned());
    }
    let mut plan = plan();
    let all = plan.len();
    if !scope.goes_on(all as u64 - 1) {
        let mut dice = Dice::seeded(scope.seed);
        plan.sort_by_cached_key(|_| dice.below(1 << 30));
    }
    let (mut tally, mut noticed) = (Tally::default(), 0);
    for fault in plan {
        if !scope.goes_on(tally.done) {
            break;
        }
        let (acknowledged, ended_well) = inject(&fault);
        tally.acknowledged += acknowledged;
        noticed += u64::from(!ended_well);
        tally.done += 1;
    }
    tally.note = format!("of {all}; {noticed} ended the process's work");
    Outcome::Held(tally)
}

fn plan() -> Vec<Fault> {
    let calls = ERRORS.map(|(call, _)| call);
    let mut plan = Vec::new();
    for script in Script::ALL {
        for (call, most) in counted(script, &calls, only_the_journal) {
            let errors = ERRORS.iter().find(|(known, _)| *known == call).map_or(&[][..], |(_, errors)| errors);
            for (error, number) in errors.iter().flat_map(|error| (1..=most).map(move |number| (*error, number))) {
                // Interrupted for ever is waited for, for ever. A block that cannot be read is read again in sectors: only
                // more than one refusal in a row keeps bytes back.
                let lasting = [Some(1), Some(2), None].into_iter().filter(|times| times.is_some() || error != "EINTR");
                plan.extend(lasting.map(|times| Fault { script, call: call.clone(), error, number, times }));
            }
        }
    }
    plan
}

/// Has `strace` look at calls on the journal's files alone, also on those that are not there yet.
fn only_the_journal(root: &Path) -> Vec<String> {
    let dir = root.join(ID);
    let segments = (1..=20).map(|segment| format!("{segment:08}.jsonl"));
    let others = ["LOCK", "COMPACT.LOCK"].map(str::to_owned);
    let present =
        std::fs::read_dir(&dir).into_iter().flatten().map(|file| file.unwrap().file_name().into_string().unwrap());
    let temporary = (1..=20).map(|segment| format!("{segment:08}.jsonl.tmp"));
    let mut paths = vec![root.to_owned(), dir.clone()];
    paths.extend(segments.chain(others).chain(present).chain(temporary).map(|name| dir.join(name)));
    paths.sort();
    paths.dedup();
    paths.into_iter().flat_map(|path| ["-P".to_owned(), path.into_os_string().into_string().unwrap()]).collect()
}

/// Returns how many events were acknowledged, and whether the process did all that it was about.
fn inject(fault: &Fault) -> (u64, bool) {
    let Fault { script, call, error, number, times } = fault;
    let when = match times {
        Some(times) => format!("{number}..{}", number + times - 1),
        None => format!("{number}+"),
    };
    let what = format!("{script:?}: {call} {when} answers {error}");
    let root = tempfile::tempdir().unwrap();
    script.prepare(root.path());
    let store = Store::open(root.path()).unwrap();
    let before = store.reader(ID).ok().map(|reader| (Reading::of(&reader), reader.fold().unwrap()));
    let inject = format!("inject={call}:error={error}:when={when}");
    let trace = format!("trace={call}");
    let only = only_the_journal(root.path());
    let mut arguments = vec!["-o", "/dev/null", "-e", &trace, "-e", &inject];
    arguments.extend(only.iter().map(String::as_str));
    let (said, status) = run(&mut script.role().traced(&arguments, root.path(), 1), &what);
    assert!(status.code().is_some(), "{what}: {status}");
    assert!(*error != "EINTR" || status.success(), "{what}: an interruption is no failure: {said}");
    let promised: BTreeMap<u64, String> = said.lines().filter_map(acknowledgement).collect();
    if *script == Script::Compact {
        let fold = &before.as_ref().expect("there is a session").1;
        assert_eq!(&store.reader(ID).unwrap().fold().unwrap(), fold, "{what}: the session is another one");
        store.compact(ID).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(&store.reader(ID).unwrap().fold().unwrap(), fold, "{what}: compacted, the session is another one");
        assert!(store.reader(ID).unwrap().verify().unwrap().clean, "{what}");
        return (0, status.success());
    }
    check(&store, &promised, 1, &what);
    goes_on(&store, &promised, &what);
    let after = Reading::of(&store.reader(ID).unwrap());
    for (seq, line) in before.iter().flat_map(|(reading, _)| &reading.entries) {
        assert!(after.entries.get(seq) == Some(line), "{what}: {seq} had been there before");
    }
    (promised.len() as u64, status.success())
}

/// Runs a command to its end, which must come. What it said.
fn run(command: &mut Command, what: &str) -> (String, ExitStatus) {
    let mut child = command.spawn().unwrap();
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
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    (said, status)
}
