//! The command line: what every command shares. One file a command; how its arguments look is in `args`.
//!
//! Data goes to stdout through [`out::Out`], words for people to stderr through [`words`], and nothing goes anywhere else.

mod args;
mod clean;
mod compact;
mod compressed;
mod completions;
mod damage;
mod doctor;
mod doomed;
mod export;
mod fold;
mod import;
mod limits;
mod look;
mod ls;
mod notices;
mod out;
mod plain;
mod progress;
mod prune;
mod record;
mod replay;
mod rm;
mod rows;
mod select;
mod show;
mod stats;
mod strays;
mod table;
mod tail;
mod values;
mod verify;
mod walk;

use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use foldlog::{ErrorKind, Store};
use out::Out;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// All is well.
    Fine,
    /// No: nothing was found, or some input was not understood.
    No,
    /// The arguments make no sense.
    Usage,
    /// Damage was found.
    Damage,
    /// There is no such session.
    NoSession,
    /// Another writer holds it.
    Locked,
    /// The operating system refused.
    Io,
}

impl Exit {
    /// The process's exit code. 6 is reserved.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Fine => 0,
            Exit::No => 1,
            Exit::Usage => 2,
            Exit::Damage => 3,
            Exit::NoSession => 4,
            Exit::Locked => 5,
            Exit::Io => 7,
        }
    }
}

/// What a command comes to.
pub(crate) type Outcome = Result<Exit, Failure>;

/// Why a command could not go on.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The library said so.
    Library(foldlog::Error),
    /// stdout does not take any more.
    Output(io::Error),
    /// Anything else, in words, with the exit code it means.
    Words(Exit, String),
}

impl Failure {
    /// The arguments make no sense.
    pub(crate) fn usage(words: impl Into<String>) -> Failure {
        Failure::Words(Exit::Usage, words.into())
    }

    /// The operating system refused something that is not about a journal.
    pub(crate) fn io(error: io::Error) -> Failure {
        Failure::Words(Exit::Io, error.to_string())
    }

    /// Says on stderr what went wrong, and what exit code it means. A broken pipe is nobody's fault and not worth a
    /// word: whoever read us, such as `head`, has seen enough.
    pub(crate) fn tell(&self) -> Exit {
        match self {
            Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return Exit::Fine,
            failure => words(&failure.to_string()),
        }
        self.exit()
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Failure::Library(error) => exit_of(error.kind()),
            Failure::Output(_) => Exit::Io,
            Failure::Words(exit, _) => *exit,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Output(error) => write!(f, "cannot write to stdout: {error}"),
            Failure::Library(error) => error.fmt(f),
            Failure::Words(_, text) => f.write_str(text),
        }
    }
}

impl From<foldlog::Error> for Failure {
    fn from(error: foldlog::Error) -> Failure {
        Failure::Library(error)
    }
}

/// The exit code that an error of the library means.
pub(crate) fn exit_of(kind: ErrorKind) -> Exit {
    match kind {
        ErrorKind::NotFound => Exit::NoSession,
        ErrorKind::Locked | ErrorKind::Fenced => Exit::Locked,
        ErrorKind::InvalidInput | ErrorKind::WrongSession => Exit::Usage,
        ErrorKind::TooLarge | ErrorKind::Unsupported => Exit::No,
        _ => Exit::Io,
    }
}

/// Says something to people, on stderr: the one place for it. One line; recorded text in it is made harmless.
pub(crate) fn words(text: &str) {
    notices::write(format!("foldlog: {}", clean::visible(text)));
}

/// Prints a command's help where it was called in a way that makes no sense.
pub(crate) fn help(command: &str) -> Exit {
    let mut cli = Cli::command();
    if let Some(command) = cli.find_subcommand_mut(command) {
        let _ = write!(io::stderr().lock(), "{}", command.render_long_help());
    }
    Exit::Usage
}

/// Runs the command line.
pub(crate) fn main() -> ExitCode {
    let exit = match Cli::try_parse() {
        Ok(cli) => run(cli).unwrap_or_else(|failure| failure.tell()),
        Err(error) if error.use_stderr() => {
            for line in error.render().to_string().lines() {
                let _ = writeln!(io::stderr().lock(), "{}", clean::visible(line));
            }
            Exit::Usage
        }
        // Help and version: a reader that went away in the middle has seen enough.
        Err(words) => words.print().map_or(Exit::Fine, |()| Exit::Fine),
    };
    notices::finish();
    ExitCode::from(exit.code())
}

fn run(cli: Cli) -> Outcome {
    let mut out = Out::new();
    let store = || match &cli.root {
        Some(root) => Store::open(root),
        None => Store::open_default(),
    };
    let exit = match cli.command {
        Command::Record(args) => record::run(args, store()),
        Command::Fold(args) => fold::run(&args, &store()?, &mut out),
        Command::Show(args) => show::run(&args, &store()?, &mut out),
        Command::Tail(args) => tail::run(&args, &store()?, &mut out),
        Command::Ls(args) => ls::run(&args, &store()?, &mut out),
        Command::Verify(args) => verify::run(&args, &store()?, &mut out),
        Command::Export(args) => export::run(&args, &store()?, &mut out),
        Command::Replay(args) => replay::run(&args, &store()?, &mut out),
        Command::Import(args) => import::run(&args, &store()?, &mut out),
        Command::Doctor(args) => doctor::run(&args, &mut out),
        Command::Stats(args) => stats::run(&args, &store()?, &mut out),
        Command::Rm(args) => rm::run(&args, &store()?, &mut out),
        Command::Prune(args) => prune::run(&args, &store()?, &mut out),
        Command::Compact(args) => compact::run(&args, store(), &mut out),
        Command::Completions(args) => completions::run(&args, &mut out),
    }?;
    out.flush()?;
    Ok(exit)
}

/// A value as the JSON of the contract: one object on one line that begins with `"v":1`.
pub(crate) fn versioned(value: &impl serde::Serialize) -> Result<String, Failure> {
    let json = serde_json::to_string(value);
    let json = json.map_err(|error| Failure::Words(Exit::Io, format!("cannot be written as JSON: {error}")))?;
    // Not by serde's `flatten`, which does not keep raw JSON as it is.
    Ok(match json.strip_prefix('{') {
        Some("}") | None => json,
        Some(members) => format!("{{\"v\":1,{members}"),
    })
}
