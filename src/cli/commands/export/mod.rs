//! `foldlog export`: a session in another format, to stdout or into a file of its own.

mod file;
mod terminal;

use crate::cli::exit::{Exit, Failure, Outcome, words};
use crate::cli::select;
use crate::cli::term::out::Out;
use crate::cli::term::progress::Progress;
use crate::cli::term::{damage, human};
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use file::NewFile;
use foldlog::{ExportOptions, Exported, Format, Reader, Store, TurnRange};
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use terminal::Harmless;

#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// Which session
    pub(crate) session: Option<OsString>,
    /// What to write
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    pub(crate) format: Format,
    /// Only these turns, by their numbers in the record: 3, 3..5, 3.., ..5, or -2.. for the last two
    #[arg(long, value_name = "A..B", allow_hyphen_values = true)]
    pub(crate) turns: Option<TurnRange>,
    /// With prompts, answers, arguments and results, where a format leaves them out (otlp, chrome)
    #[arg(long)]
    pub(crate) content: bool,
    /// Without secrets: keys, tokens, passwords in URLs
    #[arg(long)]
    pub(crate) redact: bool,
    /// JSON on many lines, indented
    #[arg(long)]
    pub(crate) pretty: bool,
    /// Into this file, which appears when it is whole [default: stdout]
    #[arg(short = 'o', long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
}

fn formats() -> impl TypedValueParser<Value = Format> {
    let names = Format::all().map(|format| PossibleValue::new(format.name()).help(format.about()));
    PossibleValuesParser::new(names)
        .try_map(|name| Format::named(&name).ok_or_else(|| format!("there is no format `{name}`")))
}

pub(crate) fn run(args: &ExportArgs, store: &Store, out: &mut Out) -> Outcome {
    out.flush()?;
    let path = args.output.as_deref().filter(|path| *path != Path::new("-"));
    let mut file = path.map(|path| NewFile::create(path, args.force)).transpose()?;
    let reader = select::reader(store, args.session.as_deref())?;
    let exported = match (&mut file, io::stdout().is_terminal()) {
        (Some(file), _) => write(args, &reader, file)?,
        (None, true) => {
            let mut terminal = Harmless::new(io::stdout().lock(), args.format.media_type().contains("json"));
            write(args, &reader, &mut terminal)?
        }
        (None, false) => write(args, &reader, &mut io::BufWriter::with_capacity(64 << 10, io::stdout().lock()))?,
    };
    if let Some(turns) = args.turns.filter(|_| exported.turns == 0) {
        let there = human::count(exported.turns_in_session as u64, "turn");
        words(&format!("there is no turn {turns}: session {:?} has {there}", reader.session_id().as_str()));
        return Ok(Exit::No);
    }
    if let Some(file) = file {
        file.finish()?;
    }
    if args.redact {
        words(&redactions(&exported));
    }
    Ok(damage::report(&reader, &exported.gaps))
}

/// Writes the export, all of it.
fn write(args: &ExportArgs, reader: &Reader, out: &mut dyn Write) -> Result<Exported, Failure> {
    let options =
        ExportOptions::default().turns(args.turns).content(args.content).redact(args.redact).pretty(args.pretty);
    let mut progress = Progress::new("exporting", reader.session_id().as_str());
    let exported = reader.export_with(args.format, &options, out, &mut |entries| progress.at(entries));
    let exported = exported.map_err(|error| output_failed(error, args.output.as_deref()))?;
    out.flush().map_err(Failure::Output)?;
    Ok(exported)
}

/// What could not be written: to stdout, where nobody may be left to read it, or into a file.
fn output_failed(error: foldlog::Error, path: Option<&Path>) -> Failure {
    // An error about a journal's file names its path.
    let source = match error.path() {
        None => std::error::Error::source(&error).and_then(|source| source.downcast_ref::<io::Error>()),
        Some(_) => None,
    };
    match (source, path) {
        (Some(source), Some(path)) => Failure::Words(Exit::Io, format!("cannot write `{}`: {source}", path.display())),
        (Some(source), None) => Failure::Output(match source.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::new(source.kind(), source.to_string()),
        }),
        (None, _) => Failure::Library(error),
    }
}

/// `redacted 3 secrets: 2 github_token, 1 jwt`
fn redactions(exported: &Exported) -> String {
    let total: u64 = exported.redacted.values().sum();
    if total == 0 {
        return "no secret was found; only well-known forms are looked for".to_owned();
    }
    let kinds: Vec<String> = exported.redacted.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    format!("redacted {}: {}", human::count(total, "secret"), kinds.join(", "))
}
