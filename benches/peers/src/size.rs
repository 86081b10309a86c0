//! How many bytes an event takes on disk.

use crate::lab::{Lab, line};
use crate::stores::sqlite;
use crate::table::{Goal, Line, Plan, Sample};
use crate::workload::Shape;
use crate::{Options, Result};
use std::path::Path;

/// How much is compressed at a time.
const FRAME: usize = 1 << 20;
const LEVEL: i32 = 3;

pub(crate) fn measure(options: &Options, dir: &Path) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (name, shape) in [("streamed", Shape::Streamed), ("recorded", Shape::Recorded)] {
        let lab = Lab::new(&dir.join(name), shape, options.events(), options.window())?;
        let each = |bytes: u64| Sample::of(bytes as f64 / lab.steps.len() as f64);
        let mut plan = Plan::default();
        let ours = plan.case(|| Ok(each(lab.lines.len() as u64)));
        let sqlite = plan.case(|| Ok(each(in_sqlite(&lab)?)));
        let zstd = plan.case(|| Ok(each(compressed(&lab)?)));
        plan.row(format!("size of an event, {name} run"), "bytes", ours)
            .peer("SQLite, checkpointed", sqlite, Some(Goal::AtMost(0.95)))
            .peer("zstd -3 of our lines, in 1 MB frames", zstd, None);
        plan.run(1)?;
        lines.extend(plan.lines());
    }
    Ok(lines)
}

fn in_sqlite(lab: &Lab) -> Result<u64> {
    let path = lab.dir.join("sqlite");
    let mut connection = sqlite::connect(&path, sqlite::Sync::Normal)?;
    let transaction = connection.transaction()?;
    let mut out = Vec::new();
    for (seq, step) in (1..).zip(&*lab.steps) {
        line(seq, step.type_name(), step, &mut out)?;
        sqlite::insert(&transaction, seq, &out)?;
    }
    transaction.commit()?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(std::fs::metadata(path)?.len())
}

fn compressed(lab: &Lab) -> Result<u64> {
    lab.lines.chunks(FRAME).try_fold(0, |sum, frame| Ok(sum + zstd::bulk::compress(frame, LEVEL)?.len() as u64))
}
