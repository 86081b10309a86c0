//! What the system tells of this process.

use crate::Result;

/// Nanoseconds that this process has run.
pub(crate) fn processor_time() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// How often its threads have gone to sleep.
pub(crate) fn wake_ups() -> Result<u64> {
    let mut sum = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        sum += field(&std::fs::read_to_string(task?.path().join("status"))?, "voluntary_ctxt_switches:")?;
    }
    Ok(sum)
}

/// Kibibytes of memory.
pub(crate) fn resident() -> Result<u64> {
    status("VmRSS:")
}

/// The most kibibytes of memory there have been.
pub(crate) fn peak() -> Result<u64> {
    status("VmHWM:")
}

pub(crate) fn threads() -> Result<u64> {
    status("Threads:")
}

fn status(name: &str) -> Result<u64> {
    field(&std::fs::read_to_string("/proc/self/status")?, name)
}

fn field(status: &str, name: &str) -> Result<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such field")?;
    Ok(value.trim().trim_end_matches(" kB").parse()?)
}
