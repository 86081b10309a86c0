//! `foldlog verify`: every byte of sessions checked.

use crate::cli::args::VerifyArgs;
use crate::cli::exit::{Exit, Failure, Outcome};
use crate::cli::select;
use crate::cli::term::json::versioned;
use crate::cli::term::out::{Look, Out};
use crate::cli::term::progress::Progress;
use crate::cli::term::{damage, human, sanitize};
use foldlog::{Gap, Reader, Store, VerifyReport};

/// More than these wait for each other.
const MOST_THREADS: usize = 4;

pub(crate) fn run(args: &VerifyArgs, store: &Store, out: &mut Out) -> Outcome {
    if args.sessions.is_empty() {
        return verify(&select::reader(store, None)?, args.json, out);
    }
    // One bad session hides no other: the worst of them is the exit code.
    let mut worst = Exit::Fine;
    for session in &args.sessions {
        let exit = select::reader(store, Some(session)).and_then(|reader| verify(&reader, args.json, out));
        let exit = match exit {
            Ok(exit) => exit,
            Err(failure @ Failure::Output(_)) => return Err(failure),
            Err(failure) => failure.tell(),
        };
        worst = worst.max(exit);
    }
    Ok(worst)
}

fn verify(reader: &Reader, json: bool, out: &mut Out) -> Outcome {
    let mut progress = Progress::new("checking", reader.session_id().as_str());
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get().min(MOST_THREADS));
    let report = reader.clone().threads(threads).verify_with(&mut |entries| progress.at(entries))?;
    drop(progress);
    match json {
        true => out.json(&versioned(&report)?)?,
        false => print(&report, out)?,
    }
    out.flush()?;
    Ok(damage::report(reader, &report.gaps))
}

fn print(report: &VerifyReport, out: &mut Out) -> Result<(), Failure> {
    let verdict = match report.clean {
        true => out.paint(Look::Good, "✓ clean"),
        false => out.paint(Look::Bad, "✗ damaged"),
    };
    let session = sanitize::visible(report.session_id.as_str()).into_owned();
    let mut line = format!(
        "{verdict}  {}  {} in {}",
        out.paint(Look::Bold, &session),
        human::count(report.entries, "entry"),
        human::count(report.segments, "segment")
    );
    if let (Some(first), Some(last)) = (report.first_seq, report.last_seq) {
        line.push_str(&format!(", seq {first} to {last}, synced to {}", report.synced));
    }
    out.line(&line)?;
    match report.not_json {
        0 => {}
        1 => out.line("  1 entry has data that is no JSON: its checksum is right, so some other program wrote it")?,
        many => {
            out.line(&format!("  {many} entries have data that is no JSON: some other program wrote them"))?;
        }
    }
    for gap in &report.gaps {
        out.line(&format!("  {}", gap_line(gap, out)))?;
    }
    Ok(())
}

/// A gap on one line, with whether the log accounts for it.
pub(crate) fn gap_line(gap: &Gap, out: &Out) -> String {
    match gap.explained {
        true => out.paint(Look::Dim, &format!("· {gap}, explained by the log itself")),
        false => out.paint(Look::Bad, &format!("✗ {gap}, not explained")),
    }
}
