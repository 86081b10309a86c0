//! `import --follow`: a live mirror. Files are looked at a few times a second; what has grown is read on from where it
//! stood, and a half-written last line is left until it is whole.

use super::files::{self, Input, Parts};
use super::report::Report;
use super::target::{Sink, Target};
use super::{ImportArgs, documents, drain, identify, told};
use crate::cli::out::Out;
use crate::cli::progress::ByteProgress;
use crate::cli::{Exit, Failure, Outcome, words};
use foldlog::{Importer, SourceFormat, Store};
use std::io::BufReader;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};
use tokio::signal::unix::{SignalKind, signal};

/// How often files are looked at.
const EVERY: Duration = Duration::from_millis(250);
/// How often directories are looked through for new files.
const LOOK_AROUND_EVERY: Duration = Duration::from_secs(2);
/// A file that has been still for so long has said all that it has to say about its last message.
const STILL: Duration = Duration::from_secs(1);

/// A file that is followed.
enum Followed {
    /// Lines, read on as they come.
    Lines(Box<Mirror>),
    /// A document that is rewritten whole, with what it looked like last.
    Document(Input, Option<(u64, SystemTime)>),
    /// Not to be looked at again: not ours, or given up after an error. A file that nobody recognises yet is not here.
    Passed(PathBuf),
}

struct Mirror {
    input: Input,
    importer: Importer<BufReader<Parts>>,
    sink: Sink,
    report: Report,
    grew: Option<Instant>,
}

/// Runs until it is interrupted.
pub(crate) fn run(args: &ImportArgs, inputs: Vec<Input>, store: &Store, out: &mut Out) -> Outcome {
    // Every file that is followed takes a few.
    crate::cli::record::allow_many_files();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::io)?;
    let (mut interrupt, mut terminate) = runtime.block_on(async {
        Ok::<_, Failure>((
            signal(SignalKind::interrupt()).map_err(Failure::io)?,
            signal(SignalKind::terminate()).map_err(Failure::io)?,
        ))
    })?;
    let (mut followed, mut waiting, mut looked) = (Vec::new(), inputs, Instant::now());
    let mut exit = Exit::Fine;
    loop {
        take_up(args, &mut waiting, &mut followed, store, &mut exit)?;
        for one in &mut followed {
            let went = told(advance(args, one, store, out))?;
            exit = exit.max(went);
            if went > Exit::Damage {
                *one = Followed::Passed(path_of(one).to_owned());
            }
        }
        out.flush()?;
        let told_to_end = runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => true,
                _ = terminate.recv() => true,
                () = tokio::time::sleep(EVERY) => false,
            }
        });
        if told_to_end {
            break;
        }
        if looked.elapsed() > LOOK_AROUND_EVERY {
            looked = Instant::now();
            let found = files::find(&args.paths, &mut |_, _| {});
            waiting =
                found.into_iter().filter(|input| !followed.iter().any(|one| path_of(one) == &input.path)).collect();
        }
    }
    for one in followed {
        if let Followed::Lines(mirror) = one {
            exit = exit.max(told(finish(args, *mirror, out))?);
        }
    }
    Ok(exit)
}

fn path_of(followed: &Followed) -> &PathBuf {
    match followed {
        Followed::Lines(mirror) => &mirror.input.path,
        Followed::Document(input, _) => &input.path,
        Followed::Passed(path) => path,
    }
}

/// Begins to follow the files that are recognised by now.
fn take_up(
    args: &ImportArgs,
    waiting: &mut Vec<Input>,
    followed: &mut Vec<Followed>,
    store: &Store,
    exit: &mut Exit,
) -> Result<(), Failure> {
    let mut later = Vec::new();
    for input in std::mem::take(waiting) {
        let path = input.path.clone();
        match start(args, &input, store) {
            Ok(Some(one)) => followed.push(one),
            Ok(None) => later.push(input), // it may be too short yet to say what it is
            Err(failure) => {
                *exit = (*exit).max(told(Err(failure))?);
                followed.push(Followed::Passed(path));
            }
        }
    }
    *waiting = later;
    Ok(())
}

fn start(args: &ImportArgs, input: &Input, store: &Store) -> Result<Option<Followed>, Failure> {
    let Some(source) = identify(args, input)? else { return Ok(None) };
    if source.format == SourceFormat::Calute {
        return Ok(Some(Followed::Document(input.clone(), None)));
    }
    let target = Target::find(source, input, store)?;
    let mut importer = Importer::new(input.open()?, &target.source);
    let sink = target.open(store, &mut importer, false)?;
    let report = Report::new(input, &target.source);
    words(&format!("following {} into session {}", input.shown(), target.source.session_id));
    let mirror = Mirror { input: input.clone(), importer, sink, report, grew: Some(Instant::now()) };
    Ok(Some(Followed::Lines(Box::new(mirror))))
}

/// Takes what is new about a file.
fn advance(args: &ImportArgs, followed: &mut Followed, store: &Store, out: &mut Out) -> Outcome {
    match followed {
        Followed::Lines(mirror) => mirror.advance(),
        Followed::Document(input, seen) => {
            let now = input.stamp();
            if now.is_none() || *seen == now {
                return Ok(Exit::Fine);
            }
            *seen = now;
            let Some(source) = identify(args, input)? else { return Ok(Exit::Fine) };
            // Whoever rewrites a document may be in the middle of it: it is looked at again once it has changed.
            documents::import(args, input, &source, store, out)
        }
        Followed::Passed(_) => Ok(Exit::Fine),
    }
}

impl Mirror {
    fn advance(&mut self) -> Outcome {
        if self.input.len() < self.importer.position() {
            let why = "it has become shorter: it was cut or replaced, and is followed no longer";
            return Err(Failure::Words(Exit::Io, format!("{}: {why}", self.input.shown())));
        }
        let (sink, mut progress) =
            (&mut self.sink, ByteProgress::new("importing", &self.input.shown(), self.input.len()));
        let mut take = |drafts| sink.take(drafts);
        if drain(&mut self.importer, false, &self.input, &mut take, &mut self.report, &mut progress)? > 0 {
            self.grew = Some(Instant::now());
        } else if self.grew.is_some_and(|grew| grew.elapsed() > STILL) {
            self.grew = None;
            self.sink.take(self.importer.settle().drafts)?;
        }
        Ok(Exit::Fine)
    }
}

/// The end: what is there is taken, torn or not.
fn finish(args: &ImportArgs, mirror: Mirror, out: &mut Out) -> Outcome {
    let Mirror { input, mut importer, mut sink, mut report, .. } = mirror;
    let mut progress = ByteProgress::new("importing", &input.shown(), input.len());
    drain(&mut importer, true, &input, &mut |drafts| sink.take(drafts), &mut report, &mut progress)?;
    sink.close()?;
    report.finish(importer.counts());
    report.print(args.json, out)
}
