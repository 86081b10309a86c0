//! The command line: what every command shares. One file a command; how its arguments look is in `args`.
//!
//! Data goes to stdout through [`out::Out`], words for people to stderr through [`words`], and nothing goes anywhere else.

mod args;
mod commands;
mod compressed;
mod exit;
mod limits;
mod plain_file;
mod select;
mod strays;
mod term;
mod thread;
mod values;
mod walk_dir;

use crate::cli::commands::{
    compact, completions, doctor, export, fold, import, ls, prune, record, replay, rm, show, stats, tail, verify,
};
use crate::cli::exit::{Exit, Failure, Outcome};
use crate::cli::term::{notices, sanitize};
use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use foldlog::Store;
use std::io::{self, Write};
use std::process::ExitCode;
use term::out::Out;

/// Prints a command's help where it was called in a way that makes no sense.
fn help(command: &str) -> Exit {
    let mut cli = Cli::command();
    if let Some(command) = cli.find_subcommand_mut(command) {
        let _ = write!(io::stderr().lock(), "{}", command.render_long_help());
    }
    Exit::Usage
}

/// Runs the command line.
pub(crate) fn main() -> ExitCode {
    let exit = match Cli::try_parse() {
        Ok(cli) => match run(cli) {
            Err(Failure::Misused(command)) => help(command),
            ended => ended.unwrap_or_else(|failure| failure.tell()),
        },
        Err(error) if error.use_stderr() => {
            for line in error.render().to_string().lines() {
                let _ = writeln!(io::stderr().lock(), "{}", sanitize::visible(line));
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
