//! stdout: data, and how it looks. Colour only on a terminal and never with `NO_COLOR`.

use super::sanitize;
use crate::cli::exit::Failure;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

/// How wide text is set where nobody says how wide it may be.
const DEFAULT_WIDTH: usize = 100;
/// How long a one-line summary may be where nobody says how wide it may be: a pipe has no edge.
const UNBOUNDED_SUMMARY: usize = 400;

/// A look for a piece of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Plain,
    Bold,
    Dim,
    Good,
    Bad,
    Warn,
}

impl Look {
    fn code(self) -> &'static str {
        match self {
            Look::Plain => "",
            Look::Bold => "\x1b[1m",
            Look::Dim => "\x1b[2m",
            Look::Good => "\x1b[32m",
            Look::Bad => "\x1b[31m",
            Look::Warn => "\x1b[33m",
        }
    }
}

/// The program's stdout.
pub(crate) struct Out {
    writer: BufWriter<Stdout>,
    is_terminal: bool,
    colour: bool,
    width: Option<usize>,
}

impl Out {
    pub(crate) fn new() -> Out {
        let stdout = io::stdout();
        let is_terminal = stdout.is_terminal();
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let window = rustix::termios::tcgetwinsize(&stdout).ok().map(|size| usize::from(size.ws_col));
        Out {
            writer: BufWriter::with_capacity(64 << 10, stdout),
            is_terminal,
            colour: is_terminal && !dumb && !set("NO_COLOR"),
            width: columns.or(window).filter(|columns| *columns >= 20),
        }
    }

    /// How wide text may be.
    pub(crate) fn width(&self) -> usize {
        self.width.unwrap_or(DEFAULT_WIDTH)
    }

    /// How long a summary may be that has to stay on one line.
    pub(crate) fn summary_width(&self) -> usize {
        self.width.unwrap_or(UNBOUNDED_SUMMARY)
    }

    /// The text in a look, as it would be written.
    pub(crate) fn paint(&self, look: Look, text: &str) -> String {
        match self.colour && look != Look::Plain && !text.is_empty() {
            true => format!("{}{text}\x1b[0m", look.code()),
            false => text.to_owned(),
        }
    }

    /// Writes text that the program made itself, or that has been made harmless.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.writer.write_all(text.as_bytes()).map_err(Failure::Output)
    }

    /// Writes such text and a line break.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        self.text(text)?;
        self.text("\n")
    }

    /// Writes JSON and a line break: byte for byte, but on a terminal with what it would obey escaped.
    pub(crate) fn json(&mut self, json: &str) -> Result<(), Failure> {
        match self.is_terminal {
            true => self.line(&sanitize::json(json)),
            false => self.line(json),
        }
    }

    /// Writes bytes that are data, of whatever kind, and a line break.
    pub(crate) fn data(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if self.is_terminal {
            return self.json(&String::from_utf8_lossy(bytes));
        }
        self.writer.write_all(bytes).and_then(|()| self.writer.write_all(b"\n")).map_err(Failure::Output)
    }

    /// Whether anybody may still read it: the reader of a pipe may have gone.
    pub(crate) fn has_reader(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let stdout = self.writer.get_ref();
        let mut asked = [PollFd::new(stdout, PollFlags::empty())];
        let answered = poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
        answered.is_err() || !asked[0].revents().contains(PollFlags::ERR)
    }

    /// Hands on what has been written so far.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.writer.flush().map_err(Failure::Output)
    }
}
