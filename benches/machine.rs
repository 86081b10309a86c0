//! The machine, in one line: figures of two machines, or of two days, do not compare.

use std::path::Path;
use std::time::Duration;

/// Cores, processor, kernel and file system.
pub(crate) fn describe(dir: &Path) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let uname = rustix::system::uname();
    format!(
        "{cores} cores ({}), {} {}, {}",
        processor().unwrap_or_else(|| "unknown".to_owned()),
        uname.sysname().to_string_lossy(),
        uname.release().to_string_lossy(),
        file_system(dir).unwrap_or_else(|| "unknown file system".to_owned())
    )
}

fn processor() -> Option<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let (_, name) = info.lines().find(|line| line.starts_with("model name"))?.split_once(": ")?;
    Some(name.to_owned())
}

/// The kind and the options of the mount that a directory lies in.
fn file_system(dir: &Path) -> Option<String> {
    let dir = dir.canonicalize().ok()?;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mounts = mounts.lines().filter_map(|line| {
        let (mount, device) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(4);
        let (point, options) = (fields.next()?, fields.next()?);
        dir.starts_with(point).then(|| (point.len(), format!("{} ({options})", device.split(' ').next().unwrap_or(""))))
    });
    mounts.max_by_key(|(depth, _)| *depth).map(|(_, kind)| kind)
}

/// The median and the 99th percentile, in microseconds.
pub(crate) fn percentiles(times: &mut [Duration]) -> String {
    times.sort();
    let at = |share: usize| times.get(times.len() * share / 100).map_or(0, Duration::as_micros);
    format!("p50 {} us, p99 {} us, n {}", at(50), at(99), times.len())
}
