//! What depending on the library costs: crates, and seconds of a cold build of it, without its default features.

use crate::table::{Goal, Line, Plan, Sample};
use crate::{Options, Result};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

pub(crate) fn measure(_: &Options, dir: &Path) -> Result<Vec<Line>> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut plan = Plan::default();
    let build = plan.case(|| {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--lib", "--no-default-features", "--locked", "--color", "never", "--target-dir"]);
        let start = Instant::now();
        let output = cargo.arg(dir).current_dir(&project).output()?;
        let time = start.elapsed().as_secs_f64();
        let words = String::from_utf8_lossy(&output.stderr);
        match output.status.success() {
            true => Ok(Sample::of(words.matches(" Compiling ").count() as f64).and(time)),
            false => Err(words.into()),
        }
    });
    plan.row("cold build of the library without default features", "crates", build).goal(Goal::AtMost(40.0));
    plan.row("the same: time, unoptimised", "s", build.figure(1));
    plan.run(1)?;
    Ok(plan.lines())
}
