//! `foldlog compact`: a session made smaller.

use crate::cli::args::CompactArgs;
use crate::cli::exit::{Exit, Failure, Outcome};
use crate::cli::select;
use crate::cli::term::json::versioned;
use crate::cli::term::out::{Look, Out};
use crate::cli::term::progress::Progress;
use crate::cli::term::{human, sanitize};
use foldlog::{CompactOptions, CompactReport, Store};

pub(crate) fn run(args: &CompactArgs, store: foldlog::Result<Store>, out: &mut Out) -> Outcome {
    // An abbreviation that names another session than was meant would do harm here.
    let (store, id) = select::in_full(store, &args.session)?;
    let options = CompactOptions::default().dry_run(args.dry_run);
    let mut progress = Progress::new("compacting", id.as_str());
    let report = store.compact_with(id, &options, &mut |entries| progress.at(entries))?;
    drop(progress);
    match args.json {
        true => out.json(&versioned(&report)?)?,
        false => print(&report, out)?,
    }
    Ok(if report.met_damage() { Exit::Damage } else { Exit::Fine })
}

fn print(report: &CompactReport, out: &mut Out) -> Result<(), Failure> {
    let session = sanitize::visible(&report.session_id).into_owned();
    let (before, after) = (report.before, report.after);
    let nothing = before == after;
    let verdict = match (nothing, report.dry_run) {
        (true, _) => "nothing to do",
        (false, true) => "would be compacted",
        (false, false) => "compacted",
    };
    out.line(&format!("{}  {verdict}", out.paint(Look::Bold, &session)))?;
    for (name, size) in [("before", before), ("after", after)] {
        let segments = human::count(size.segments, "segment");
        let (bytes, lines) = (human::size(size.bytes), human::count(size.lines, "line"));
        if name == "before" || !nothing {
            out.line(&format!("  {name:<7} {bytes:>9}  {lines} in {segments}"))?;
        }
    }
    for (kind, dropped) in &report.dropped {
        let lines = human::count(dropped.lines, "line");
        out.line(&format!("  dropped {:>9}  {lines} of {kind}", human::size(dropped.bytes)))?;
    }
    for merged in &report.merged {
        out.line(&format!("  merged  segments {} to {}", merged.segment, merged.through))?;
    }
    for left in &report.left_alone {
        let line = format!("  left as it is: segment {}: {}", left.segment, left.why);
        out.line(&out.paint(if left.damaged { Look::Bad } else { Look::Dim }, &line))?;
    }
    Ok(())
}
