//! Starting threads, so that a failure names what the thread was for.

use std::io;

/// Starts a thread; `does` says for an error what it is for: "cannot start the thread that ...".
pub(crate) fn start(name: &str, does: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    started
        .map(drop)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot start the thread that {does}: {error}")))
}
