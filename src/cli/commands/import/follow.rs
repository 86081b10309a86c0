//! `import --follow`: a live mirror. Files are looked at a few times a second; what has grown is read on from where it
//! stood, and a half-written last line is left until it is whole.
//!
//! A file that is replaced (renamed over, truncated, rewritten in place, deleted and created again) is read again from its
//! beginning: a session is gone on with if the file still begins with what was imported, else the file gets a new one.
//! All that was read is compared whenever the file changed and did not grow, and once it has been still after growing; while
//! it grows, only the beginning and the end are.

use super::documents;
use super::files::{self, Input, Parts, Stamp};
use super::one_file::{drain, identify};
use super::options::{ImportArgs, told};
use super::report::Report;
use super::target::{Sink, Target};
use crate::cli::exit::{Exit, Failure, Outcome, words};
use crate::cli::limits;
use crate::cli::term::out::Out;
use crate::cli::term::progress::ByteProgress;
use foldlog::{Importer, SourceFormat, Store};
use std::io::BufReader;
use std::path::PathBuf;
use std::time::{Duration, Instant};
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
    Document(Input, Vec<Stamp>),
    /// Nothing to be taken from it as it is now: not recognised yet, or shorter than what was imported from it.
    Waiting(Input, Vec<Stamp>),
    /// Not to be looked at again: given up after an error.
    Passed(PathBuf),
}

struct Mirror {
    input: Input,
    importer: Importer<BufReader<Parts>>,
    read: files::Read,
    sink: Sink,
    report: Report,
    grew: Option<Instant>,
    /// The files at its path as they were looked at last.
    seen: Vec<Stamp>,
    /// A message has said that the file is gone.
    is_gone: bool,
}

/// What became of the file at a mirror's path.
enum Change {
    None,
    /// Lines may have been added.
    Grown,
    Gone,
    /// Another file is there: what the old one still has can be read.
    Replaced,
    /// The file has other content than what was read of it.
    Rewritten,
}

/// Runs until it is interrupted.
pub(crate) fn run(args: &ImportArgs, inputs: Vec<Input>, store: &Store, out: &mut Out) -> Outcome {
    // Every file that is followed takes a few.
    limits::allow_many_files();
    let runtime = limits::runtime()?;
    let (mut interrupt, mut terminate) = runtime.block_on(async {
        Ok::<_, Failure>((
            signal(SignalKind::interrupt()).map_err(Failure::io)?,
            signal(SignalKind::terminate()).map_err(Failure::io)?,
        ))
    })?;
    let mut followed: Vec<Followed> = inputs.into_iter().map(|input| Followed::Waiting(input, Vec::new())).collect();
    let (mut looked, mut exit) = (Instant::now(), Exit::Fine);
    if !may_go_on(args, &followed) {
        words("nothing that was named can be followed");
        return Ok(Exit::No);
    }
    loop {
        for one in &mut followed {
            let went = told(advance(args, one, store, out))?;
            exit = exit.max(went);
            if went > Exit::Damage {
                *one = Followed::Passed(path_of(one).to_owned());
            }
        }
        out.flush()?;
        if !may_go_on(args, &followed) {
            words("nothing is left that can be followed");
            break;
        }
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
            for input in files::find(&args.paths, false, &mut |_, _| {}).inputs {
                match followed.iter_mut().find(|one| path_of(one) == &input.path) {
                    None => followed.push(Followed::Waiting(input, Vec::new())),
                    // A session of foldlog's has got another segment.
                    Some(Followed::Lines(mirror)) if !mirror.input.has_parts_of(&input) => mirror.input = input,
                    Some(_) => {}
                }
            }
        }
    }
    for one in followed {
        if let Followed::Lines(mut mirror) = one {
            let is_replaced = mirror.advance();
            exit = exit.max(told(is_replaced.and_then(|replaced| mirror.finish(args, !replaced, out)))?);
        }
    }
    Ok(exit)
}

/// Whether anything can come: of a file that is followed or may be yet, or of one that appears in a directory.
fn may_go_on(args: &ImportArgs, followed: &[Followed]) -> bool {
    followed.iter().any(|one| !matches!(one, Followed::Passed(_)))
        || args.paths.iter().any(|path| std::fs::read_dir(path).is_ok())
}

fn path_of(followed: &Followed) -> &PathBuf {
    match followed {
        Followed::Lines(mirror) => &mirror.input.path,
        Followed::Document(input, _) | Followed::Waiting(input, _) => &input.path,
        Followed::Passed(path) => path,
    }
}

/// Begins to follow a file; `None` if nothing is to be taken from it as it is now.
fn start(args: &ImportArgs, input: &Input, store: &Store, out: &mut Out) -> Result<Option<Followed>, Failure> {
    let seen = input.stamps();
    if seen.is_empty() {
        return Ok(None); // deleted a moment ago
    }
    let Some(source) = identify(args, input)? else { return Ok(None) };
    if source.format == SourceFormat::Calute {
        return Ok(Some(Followed::Document(input.clone(), Vec::new())));
    }
    if source.is_document {
        super::one_file::import(args, input, store, &mut Vec::new(), out)?;
        words(&format!("{}: is one document: it was imported, and is not followed", input.shown()));
        return Ok(Some(Followed::Passed(input.path.clone())));
    }
    let target = Target::find(source, input, store)?;
    if target.is_longer() {
        return Ok(None); // what comes next shows whether it goes on as before
    }
    let (reader, read) = input.open_marked()?;
    if !read.is_of(&input.stamps()) || !read.is_of(&seen) {
        return Ok(None); // replaced meanwhile: it is looked at again
    }
    let mut importer = Importer::new(reader, &target.source);
    let sink = target.open(store, &mut importer, false)?;
    let report = Report::new(input, &target.source);
    words(&format!("following {} into session {}", input.shown(), target.source.session_id));
    let (grew, input) = (Some(Instant::now()), input.clone());
    let mirror = Mirror { input, importer, read, sink, report, grew, seen: Vec::new(), is_gone: false };
    Ok(Some(Followed::Lines(Box::new(mirror))))
}

/// Takes what is new about a file.
fn advance(args: &ImportArgs, followed: &mut Followed, store: &Store, out: &mut Out) -> Outcome {
    match followed {
        Followed::Lines(mirror) => {
            if !mirror.advance()? {
                return Ok(Exit::Fine);
            }
            let input = mirror.input.clone();
            words(&format!("{}: it was replaced, and is read again from its beginning", input.shown()));
            match std::mem::replace(followed, Followed::Waiting(input, Vec::new())) {
                Followed::Lines(mirror) => mirror.finish(args, false, out),
                _ => Ok(Exit::Fine),
            }
        }
        Followed::Document(input, seen) => {
            let now = input.stamps();
            if now.is_empty() || *seen == now {
                return Ok(Exit::Fine);
            }
            *seen = now;
            let Some(source) = identify(args, input)? else { return Ok(Exit::Fine) };
            // It may be in the middle of being rewritten: it is looked at again once it has changed.
            documents::import(args, input, &source, store, out)
        }
        Followed::Waiting(input, seen) => {
            let now = input.stamps();
            if now.is_empty() || *seen == now {
                return Ok(Exit::Fine);
            }
            *seen = now;
            if let Some(one) = start(args, input, store, out)? {
                *followed = one;
            }
            Ok(Exit::Fine)
        }
        Followed::Passed(_) => Ok(Exit::Fine),
    }
}

impl Mirror {
    /// Takes what is new. Whether the file has to be read again from its beginning.
    fn advance(&mut self) -> Result<bool, Failure> {
        let change = self.change()?;
        if !matches!(change, Change::Gone) {
            self.is_gone = false;
        }
        match change {
            Change::Grown | Change::Replaced => {
                if self.take(false)? > 0 {
                    self.grew = Some(Instant::now());
                }
            }
            Change::Gone if !std::mem::replace(&mut self.is_gone, true) => {
                let file = self.input.shown();
                words(&format!("{file}: it was deleted; it is followed again if it comes back"));
            }
            Change::None | Change::Gone | Change::Rewritten => {}
        }
        let is_other = matches!(change, Change::Replaced | Change::Rewritten);
        if !is_other && self.grew.is_some_and(|grew| grew.elapsed() > STILL) {
            self.grew = None;
            if !self.is_gone && !self.read.all_stands(&self.input)? {
                return Ok(true);
            }
            self.sink.take(self.importer.settle().drafts)?;
        }
        Ok(is_other)
    }

    fn change(&mut self) -> Result<Change, Failure> {
        let now = self.input.stamps();
        if now.is_empty() {
            return Ok(Change::Gone);
        }
        if !self.read.is_of(&now) {
            return Ok(Change::Replaced);
        }
        if now == self.seen {
            return Ok(Change::None);
        }
        let has_grown = self.seen.is_empty() || files::have_grown(&self.seen, &now);
        self.seen = now;
        let stands = match has_grown {
            true => self.read.still_stands(&self.input)?,
            false => self.read.all_stands(&self.input)?,
        };
        Ok(if stands { Change::Grown } else { Change::Rewritten })
    }

    /// Takes the lines that there are.
    fn take(&mut self, at_end: bool) -> Result<u64, Failure> {
        let Mirror { input, importer, sink, report, .. } = self;
        let mut progress = ByteProgress::new("importing", &input.shown(), input.len());
        drain(importer, at_end, input, &mut |drafts| sink.take(drafts), report, &mut progress)
    }

    /// The end. With `at_end` what is there is taken, torn or not.
    fn finish(mut self: Box<Self>, args: &ImportArgs, at_end: bool, out: &mut Out) -> Outcome {
        if at_end {
            self.take(true)?;
        }
        self.sink.close()?;
        self.report.finish(self.importer.counts());
        self.report.print(args.json, out)
    }
}
