//! `foldlog replay`: a session's lines, or a file of events, with the pauses they had.

use crate::cli::args::ReplayArgs;
use crate::cli::exit::{Exit, Failure, Outcome, words};
use crate::cli::plain_file;
use crate::cli::select;
use crate::cli::term::damage;
use crate::cli::term::out::Out;
use foldlog::{Item, MAX_LINE, Reader, Store, Timestamp};
use serde::Deserialize;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::time::Duration;

/// Pauses are cut into pieces of this length, and no longer one is asked of the system.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

pub(crate) fn run(args: &ReplayArgs, store: &Store, out: &mut Out) -> Outcome {
    let path = Path::new(&args.source);
    match select::reader(store, Some(args.source.as_os_str())) {
        Ok(reader) => session(&reader, args.speed, out),
        Err(_) if path.metadata().is_ok_and(|metadata| !metadata.is_dir()) => file(path, args.speed, out),
        Err(failure) => Err(failure),
    }
}

fn session(reader: &Reader, speed: f64, out: &mut Out) -> Outcome {
    let mut pace = Pace::new(speed);
    let mut exit = damage::understood(reader);
    let mut items = reader.items()?;
    while let Some(item) = items.next()? {
        let gap = match item {
            Item::Entry(entry) if !entry.is_json() => {
                entry.gap_for_json().iter().for_each(|gap| damage::name(reader, gap));
                exit = exit.max(Exit::Damage);
                continue;
            }
            Item::Entry(entry) => {
                pace.wait(Some(entry.time()), out)?;
                out.data(entry.line().as_bytes())?;
                continue;
            }
            Item::Gap(gap) => gap,
            _ => continue,
        };
        if !gap.explained && !items.is_half_line(&gap) {
            damage::name(reader, &gap);
            exit = exit.max(Exit::Damage);
        }
    }
    Ok(exit)
}

fn file(path: &Path, speed: f64, out: &mut Out) -> Outcome {
    let failed = |error: std::io::Error| Failure::Words(Exit::Io, format!("cannot read `{}`: {error}", path.display()));
    let mut input = BufReader::with_capacity(256 << 10, plain_file::open_once(path).map_err(&failed)?);
    let mut pace = Pace::new(speed);
    let (mut line, mut number, mut offset, mut exit) = (Vec::new(), 0u64, 0u64, Exit::Fine);
    loop {
        line.clear();
        // No line may ask for more memory than an event can have.
        let mut got = (&mut input).take(MAX_LINE as u64 + 1).read_until(b'\n', &mut line).map_err(&failed)? as u64;
        if got == 0 {
            return Ok(exit);
        }
        number += 1;
        let event = line.strip_suffix(b"\n").unwrap_or(&line);
        if event.len() > MAX_LINE {
            got += input.skip_until(b'\n').map_err(&failed)? as u64;
            words(&format!(
                "{}: line {number}, byte {offset}: left out: it has {got} bytes, at most {MAX_LINE} are allowed",
                path.display()
            ));
            exit = Exit::Damage;
        } else if !event.starts_with(b"{\"foldlog\":") {
            // A segment's first line is no event.
            pace.wait(time_of(event), out)?;
            out.data(event)?;
        }
        offset += got;
    }
}

/// When the event of a line happened, if it says so.
fn time_of(event: &[u8]) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Envelope {
        time: Timestamp,
    }
    serde_json::from_slice::<Envelope>(event).ok().map(|envelope| envelope.time)
}

/// Keeps the pauses between events.
struct Pace {
    speed: f64,
    before: Option<Timestamp>,
}

impl Pace {
    fn new(speed: f64) -> Pace {
        Pace { speed, before: None }
    }

    /// Waits as long as there was between the event before and this one. A clock that went back is no pause.
    fn wait(&mut self, time: Option<Timestamp>, out: &mut Out) -> Result<(), Failure> {
        let Some(time) = time else { return Ok(()) };
        let before = self.before.replace(time);
        let Some(before) = before.filter(|_| self.speed > 0.0) else { return Ok(()) };
        let pause = time.since(before).as_secs_f64() / self.speed;
        let mut left = Duration::try_from_secs_f64(pause).unwrap_or(Duration::MAX);
        if left > Duration::ZERO {
            out.flush()?;
        }
        while left > Duration::ZERO {
            let piece = left.min(LONGEST_SLEEP);
            std::thread::sleep(piece);
            left -= piece;
        }
        Ok(())
    }
}
