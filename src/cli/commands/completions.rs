//! `foldlog completions`: completion scripts for shells.

use crate::cli::args::{Cli, CompletionsArgs};
use crate::cli::exit::{Exit, Outcome};
use crate::cli::term::out::Out;
use clap::CommandFactory;

pub(crate) fn run(args: &CompletionsArgs, out: &mut Out) -> Outcome {
    // Into memory first: the generator panics where stdout refuses.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "foldlog", &mut script);
    out.text(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Fine)
}
