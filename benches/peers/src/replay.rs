//! Reading a journal back: to its record, to its summary, and only to check it. All from the page cache.
//!
//! Rates are megabytes of the journal a second, also where a peer reads the same events from a file of its own, so that
//! ratios of rates are ratios of time.

use crate::decode::{State, one_pass, tagged};
use crate::lab::{Lab, REPLAYED, line};
use crate::stores::sqlite;
use crate::table::{Goal, Line, Plan, Sample};
use crate::workload::Shape;
use crate::{BYTES, Options, Result, lines, python};
use foldlog::SummaryFold;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// A journal, and the same events as the peers keep them.
struct Logs {
    lab: Lab,
    tagged: PathBuf,
    sqlite: PathBuf,
}

impl Logs {
    fn new(options: &Options, dir: &Path, shape: Shape) -> Result<Logs> {
        let lab = Lab::new(dir, shape, options.events() * 2, options.window())?;
        let (tagged, sqlite) = (dir.join("tagged"), dir.join("sqlite"));
        tagged::write(&lab.steps, &tagged)?;
        let mut connection = sqlite::connect(&sqlite, sqlite::Sync::Normal)?;
        let transaction = connection.transaction()?;
        let mut out = Vec::new();
        for (seq, step) in (1..).zip(&*lab.steps) {
            line(seq, step.type_name(), step, &mut out)?;
            sqlite::insert(&transaction, seq, &out)?;
        }
        transaction.commit()?;
        Ok(Logs { lab, tagged, sqlite })
    }

    /// The state that a peer folds to, which must be that of all events.
    fn fold(&self, fold: impl Fn(&Logs) -> Result<State>) -> Result<Sample> {
        let start = Instant::now();
        let state = fold(self)?;
        let sample = self.lab.per_byte(start.elapsed());
        match state.events == self.lab.steps.len() as u64 && black_box(state.sum()) > 0 {
            true => Ok(sample),
            false => Err(format!("a peer has read {} of {} events", state.events, self.lab.steps.len()).into()),
        }
    }

    fn by_line(&self, each: impl FnMut(&mut [u8])) -> Result<Sample> {
        let start = Instant::now();
        lines::of_files(&self.lab.replayed, each)?;
        Ok(self.lab.per_byte(start.elapsed()))
    }

    fn jq(&self) -> Result<Sample> {
        let start = Instant::now();
        let status = Command::new("jq").args(["-c", "."]).args(&self.lab.replayed).stdout(Stdio::null()).status()?;
        if !status.success() {
            return Err("jq has failed".into());
        }
        Ok(self.lab.per_byte(start.elapsed()))
    }

    fn python(&self, script: &str) -> Result<Sample> {
        Ok(self.lab.per_byte(python::run(script, &self.lab.replayed)?))
    }
}

pub(crate) fn measure(options: &Options, dir: &Path) -> Result<Vec<Line>> {
    let logs = Logs::new(options, &dir.join("streamed"), Shape::Streamed)?;
    let recorded = Logs::new(options, &dir.join("recorded"), Shape::Recorded)?;
    let sums =
        [one_pass::plain(&logs.lab.replayed)?, one_pass::simd_in_place(&logs.lab.replayed)?].into_iter().chain([
            tagged::by_line(&logs.tagged)?,
            tagged::by_tree(&logs.lab.replayed)?,
            tagged::from_sqlite(&logs.sqlite)?,
        ]);
    let sums: Vec<u64> = sums.map(|state| state.sum()).collect();
    if sums.iter().any(|sum| *sum != sums[0]) {
        return Err(format!("the peers do not fold to the same: {sums:?}").into());
    }
    let mut plan = Plan::default();
    plan_streamed(&logs, &mut plan);
    let ours = plan.case(|| recorded.lab.fold(1));
    let tagged = plan.case(|| recorded.fold(|logs| tagged::by_line(&logs.tagged)));
    let tree = plan.case(|| recorded.fold(|logs| tagged::by_tree(&logs.lab.replayed)));
    plan.row("replay to a SessionRecord, shape of a recorded run", BYTES, ours)
        .peer("lines + internally tagged serde", tagged, Some(Goal::AtLeast(2.0)))
        .peer("read_to_string, tree, typed", tree, Some(Goal::AtLeast(5.0)));
    plan.run(options.rounds(5))?;
    Ok(plan.lines())
}

fn plan_streamed<'a>(logs: &'a Logs, plan: &mut Plan<'a>) {
    let read = plan.case(|| logs.lab.read_only());
    let split = plan.case(|| logs.by_line(|_| ()));
    let utf8 = plan.case(|| logs.by_line(|line| lines::utf8(line)));
    let checksum = plan.case(|| logs.by_line(|line| lines::checksum(line)));
    let ours = plan.case(|| logs.lab.fold(1));
    let two = plan.case(|| logs.lab.fold(2));
    let tagged = plan.case(|| logs.fold(|logs| tagged::by_line(&logs.tagged)));
    let tree = plan.case(|| logs.fold(|logs| tagged::by_tree(&logs.lab.replayed)));
    let one_pass = plan.case(|| logs.fold(|logs| one_pass::plain(&logs.lab.replayed)));
    let simd = plan.case(|| logs.fold(|logs| one_pass::simd_in_place(&logs.lab.replayed)));
    let sqlite = plan.case(|| logs.fold(|logs| tagged::from_sqlite(&logs.sqlite)));
    let jq = Command::new("jq").arg("--version").output().is_ok().then(|| plan.case(|| logs.jq()));
    let loads = python::has("json").then(|| plan.case(|| logs.python(python::REPLAY)));
    let duck = python::has("duckdb").then(|| plan.case(|| logs.python(python::DUCK)));
    let row = plan.row("replay to a SessionRecord, 1 thread", BYTES, ours);
    row.limit("read(2), 1 MB at a time", read, None).limit("the same + memchr for lines", split, None);
    row.limit("the same + simdutf8 a line", utf8, None).limit("the same + crc32 a line", checksum, None);
    row.peer("lines + internally tagged serde", tagged, Some(Goal::AtLeast(2.0)));
    row.peer("read_to_string, tree, typed", tree, Some(Goal::AtLeast(5.0)));
    row.peer("one pass by hand, borrowed, serde_json", one_pass, None);
    row.peer("the same, simd-json in place", simd, None);
    row.peer("SQLite, SELECT + one pass", sqlite, Some(Goal::AtLeast(1.0)));
    for (name, case, missing, goal) in [
        ("jq -c .", jq, "no `jq`", Some(Goal::AtLeast(1.0))),
        ("Python, `json.loads` only", loads, "no `python3`", Some(Goal::AtLeast(1.0))),
    ] {
        row.peer_or(name, case, missing, goal);
    }
    let row = plan.row("replay to a SessionRecord, 2 threads", BYTES, two);
    row.peer("foldlog, 1 thread", ours, Some(Goal::AtLeast(1.8)));
    row.peer("one pass by hand, simd-json in place, 1 thread", simd, Some(Goal::AtLeast(1.0)));
    let first = Some(Goal::AtLeast(1.0));
    row.peer_or("DuckDB, types counted only, 2 threads", duck, "no Python with `duckdb`", first);
}

pub(crate) fn measure_summary(options: &Options, dir: &Path) -> Result<Vec<Line>> {
    let lab = Lab::new(dir, Shape::Streamed, options.events() * 2, options.window())?;
    let mut plan = Plan::default();
    let full = plan.case(|| lab.fold(1));
    let summary = plan.case(|| {
        let start = Instant::now();
        black_box(lab.store.reader(REPLAYED)?.reduce(SummaryFold::new())?);
        Ok(lab.per_byte(start.elapsed()))
    });
    let glance = plan.case(|| {
        let start = Instant::now();
        black_box(lab.store.reader(REPLAYED)?.glance()?);
        Ok(lab.per_byte(start.elapsed()))
    });
    plan.row("SessionSummary (`stats`)", BYTES, summary).peer("foldlog, the full fold", full, Some(Goal::AtLeast(3.0)));
    plan.row("Glance (`ls`)", BYTES, glance).peer("foldlog, the full fold", full, Some(Goal::AtLeast(3.0)));
    plan.run(options.rounds(7))?;
    Ok(plan.lines())
}

pub(crate) fn measure_verify(options: &Options, dir: &Path) -> Result<Vec<Line>> {
    let lab = Lab::new(dir, Shape::Streamed, options.events() * 2, options.window())?;
    let mut plan = Plan::default();
    let read = plan.case(|| lab.read_only());
    let verify = plan.case(|| lab.verify(1));
    let two = plan.case(|| lab.verify(2));
    let checksum = plan.case(|| {
        let start = Instant::now();
        lines::of_files(&lab.replayed, |line| lines::checksum(line))?;
        Ok(lab.per_byte(start.elapsed()))
    });
    plan.row("verify, 1 thread", BYTES, verify).limit("read(2), 1 MB at a time", read, Some(Goal::AtLeast(0.8))).limit(
        "the same + memchr + crc32 a line",
        checksum,
        None,
    );
    plan.row("verify, 2 threads", BYTES, two).limit("read(2), 1 MB at a time", read, Some(Goal::AtLeast(1.4))).peer(
        "foldlog, 1 thread",
        verify,
        None,
    );
    plan.run(options.rounds(7))?;
    Ok(plan.lines())
}
