//! System calls that fail for real: each call that a script makes on a journal's files, once, twice or from then on.

use super::scripts::{Call, Script, traces};
use crate::part::{Outcome, Part, Scope, Tally};
use crate::support::Dice;

pub const INJECTED: Part = Part {
    name: "injected-errors",
    unit: "errors",
    needs_system: true,
    what: "a call on a journal's files fails, once, twice or from then on, while a process records, is fed by a pipe, recovers or compacts",
    slice: 14,
    full: u64::MAX,
    run: injected,
};

/// What each call may answer.
const ERRORS: [(&str, &[&str]); 12] = [
    ("openat", &["EINTR", "EIO", "EMFILE"]),
    ("pread64", &["EINTR", "EIO"]),
    ("pwrite64", &["EINTR", "EIO", "ENOSPC"]),
    ("fdatasync", &["EINTR", "EIO", "ENOSPC"]),
    ("fsync", &["EINTR", "EIO"]),
    ("ftruncate", &["EINTR", "EIO"]),
    ("close", &["EIO"]),
    ("renameat", &["EINTR", "EIO"]),
    ("unlinkat", &["EINTR", "EIO"]),
    ("flock", &["EINTR", "EIO"]),
    ("getdents64", &["EINTR", "EIO"]),
    ("newfstatat", &["EINTR", "EIO"]),
];

#[derive(Debug)]
struct Fault {
    script: Script,
    call: Call,
    error: &'static str,
    /// How many in a row; `None` for it and all later ones.
    times: Option<usize>,
}

fn injected(scope: &Scope) -> Outcome {
    if !traces() {
        return Outcome::Missing("there is no strace, or it may not trace".to_owned());
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
    let kinds = ERRORS.map(|(kind, _)| kind);
    let mut plan = Vec::new();
    for script in Script::ALL {
        for call in script.calls(&kinds) {
            for error in ERRORS.iter().filter(|(kind, _)| *kind == call.name).flat_map(|(_, errors)| *errors) {
                // Interrupted for ever is waited for, for ever, as `record` does for space. A block that cannot be read is
                // read again in sectors: only more than one refusal in a row keeps bytes back.
                let endless = *error == "EINTR"
                    || script == Script::Pipe && (call.name.as_str(), *error) == ("pwrite64", "ENOSPC");
                let lasting = [Some(1), Some(2), None].into_iter().filter(|times| times.is_some() || !endless);
                plan.extend(lasting.map(|times| Fault { script, call: call.clone(), error, times }));
            }
        }
    }
    plan
}

/// Returns how many events were acknowledged, and whether the process did all that it was about.
fn inject(fault: &Fault) -> (u64, bool) {
    let Fault { script, call, error, times } = fault;
    let number = call.number;
    let when = match times {
        Some(times) => format!("{number}..{}", number + times - 1),
        None => format!("{number}+"),
    };
    let what = format!("{script:?}: {call}, when={when}, answers {error}");
    let root = tempfile::tempdir().unwrap();
    let before = script.prepare(root.path());
    let (said, status) = script.injected(call, &format!("error={error}:when={when}"), root.path(), &what);
    assert!(status.code().is_some(), "{what}: {status}");
    assert!(*error != "EINTR" || status.success(), "{what}: an interruption is no failure: {said}");
    (script.look(root.path(), &before, &said, &what), status.success())
}
