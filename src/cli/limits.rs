//! How many files and threads the process may have, and what needs some of them.

use super::exit::{Exit, Failure};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::io;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

/// How many pipes must find room before a runtime is made: twice as many descriptors. It takes some itself, and cannot
/// report that there are none left.
const PIPES_TO_SPARE: usize = 8;

/// What SIGURG is on Linux: ignored, unless it is caught.
const SIGURG: i32 = 23;

/// Raises the limit on open files as far as it may be raised. If it may not, what would pass it is refused when it comes.
pub(crate) fn allow_many_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}

/// A runtime for one thread, with signals and a clock.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    let spare: io::Result<Vec<_>> = (0..PIPES_TO_SPARE).map(|_| io::pipe()).collect();
    if let Err(error) = spare.map(drop) {
        let limit = getrlimit(Resource::Nofile).current.map_or("unlimited".to_owned(), |limit| limit.to_string());
        let words = format!("too few files may be open (the limit is {limit}): {error}; raise it with `ulimit -n 64`");
        return Err(Failure::Words(Exit::Io, words));
    }
    let runtime = Builder::new_current_thread().enable_all().build().map_err(Failure::io)?;
    // What all signals share is made with the first one: now, while there is room. Nobody sends this one.
    let guard = runtime.enter();
    drop(signal(SignalKind::from_raw(SIGURG)).map_err(Failure::io)?);
    drop(guard);
    Ok(runtime)
}
