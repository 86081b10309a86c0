//! A sign of life on stderr for work over half a second: only on a terminal, and gone when the work is done.

use foldlog::{Entry, Gap, Origin, Reducer};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Work shorter than this shows nothing.
const PATIENCE: Duration = Duration::from_millis(500);
/// How many entries go by between two looks at the clock.
const STRIDE: u64 = 512;

/// Shows how many entries have been read.
pub(crate) struct Progress {
    began: Instant,
    what: &'static str,
    session: String,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// `what` is being done to the session.
    pub(crate) fn new(what: &'static str, session: &str) -> Progress {
        Progress { began: Instant::now(), what, session: super::human::summary(session, 40), bar: None }
    }

    /// So many entries have been read.
    pub(crate) fn at(&mut self, entries: u64) {
        if !entries.is_multiple_of(STRIDE) || self.began.elapsed() < PATIENCE {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let target = match std::io::stderr().is_terminal() {
                true => ProgressDrawTarget::stderr(),
                false => ProgressDrawTarget::hidden(),
            };
            let bar = ProgressBar::with_draw_target(None, target);
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}: {human_pos} entries, {per_sec}") {
                bar.set_style(style);
            }
            bar.set_message(format!("{} {}", self.what, self.session));
            bar
        });
        bar.set_position(entries);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Shows how much of a file has been read.
pub(crate) struct ByteProgress {
    began: Instant,
    message: String,
    total: u64,
    bar: Option<ProgressBar>,
    looked: u64,
}

impl ByteProgress {
    /// `what` is being done to a file of this many bytes.
    pub(crate) fn new(what: &str, file: &str, total: u64) -> ByteProgress {
        let message = format!("{what} {}", super::human::summary(file, 60));
        ByteProgress { began: Instant::now(), message, total, bar: None, looked: 0 }
    }

    /// The file has been read so far.
    pub(crate) fn at(&mut self, position: u64) {
        self.looked += 1;
        if !self.looked.is_multiple_of(STRIDE) || self.began.elapsed() < PATIENCE {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let target = match std::io::stderr().is_terminal() {
                true => ProgressDrawTarget::stderr(),
                false => ProgressDrawTarget::hidden(),
            };
            let bar = ProgressBar::with_draw_target(Some(self.total), target);
            let look = "{msg} {wide_bar} {bytes}/{total_bytes}, {bytes_per_sec}";
            if let Ok(style) = ProgressStyle::with_template(look) {
                bar.set_style(style);
            }
            bar.set_message(self.message.clone());
            bar
        });
        bar.set_position(position);
    }
}

impl Drop for ByteProgress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A reducer that shows how far it is.
pub(crate) struct Watched<R> {
    inner: R,
    entries: u64,
    progress: Progress,
}

impl<R> Watched<R> {
    pub(crate) fn new(inner: R, session: &str) -> Watched<R> {
        Watched { inner, entries: 0, progress: Progress::new("reading", session) }
    }
}

impl<R: Reducer> Reducer for Watched<R> {
    type Output = R::Output;

    fn begin(&mut self, origin: &Origin) {
        self.inner.begin(origin);
    }

    fn entry(&mut self, entry: &Entry<'_>) {
        self.inner.entry(entry);
        self.entries += 1;
        self.progress.at(self.entries);
    }

    fn gap(&mut self, gap: &Gap) {
        self.inner.gap(gap);
    }

    fn finish(self) -> R::Output {
        drop(self.progress);
        self.inner.finish()
    }
}
