//! `foldlog import`: what other agents recorded, into sessions of the store.

mod documents;
mod files;
mod follow;
mod one_file;
pub(crate) mod options;
mod report;
mod segments;
mod target;

use crate::cli::commands::import::one_file::import;
use crate::cli::commands::import::options::{ImportArgs, told};
use crate::cli::compressed;
use crate::cli::exit::{Exit, Outcome, words};
use crate::cli::term::human;
use crate::cli::term::out::Out;
use foldlog::Store;

pub(crate) fn run(args: &ImportArgs, store: &Store, out: &mut Out) -> Outcome {
    let mut exit = Exit::Fine;
    let files::Found { inputs, compressed } = files::find(&args.paths, !args.follow, &mut |path, why| {
        words(&format!("{}: {why}", path.display()));
        exit = exit.max(Exit::No);
    });
    if let Some((first, tool)) = compressed.first().and_then(|first| Some((first, compressed::by_name(first)?))) {
        let (files, first) = (human::count(compressed.len() as u64, "compressed file"), first.display());
        words(&format!("passed over {files}, such as {first}: unpack them first, with `{tool}`"));
        exit = exit.max(Exit::No);
    }
    if args.follow && !args.dry_run {
        return follow::run(args, inputs, store, out).map(|followed| followed.max(exit));
    }
    if inputs.is_empty() && exit == Exit::Fine {
        words("there is no .jsonl or .json file to import");
        exit = Exit::No;
    }
    let mut passed = Vec::new();
    for input in inputs {
        exit = exit.max(told(import(args, &input, store, &mut passed, out))?);
    }
    if let Some(first) = passed.first() {
        let files = human::count(passed.len() as u64, "file");
        words(&format!("passed over {files} without a conversation of an agent that foldlog knows, such as {first}"));
    }
    Ok(exit)
}
