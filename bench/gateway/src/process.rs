//! What a process costs, from `/proc` (proc(5)).

use std::fs;
use std::time::Duration;

use crate::Error;

/// `sysconf(_SC_CLK_TCK)`: 100 on every Linux that this runs on.
const TICKS_PER_SECOND: u64 = 100;

/// User and system time so far.
pub(crate) fn cpu(pid: u32) -> Result<Duration, Error> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name stands in parentheses and may hold anything.
    let fields = stat.rsplit_once(')').ok_or("an unknown /proc/PID/stat")?.1;
    let mut fields = fields.split_whitespace().skip(11);
    let mut next = || -> Result<u64, Error> { Ok(fields.next().ok_or("too few fields")?.parse()?) };
    let ticks = next()? + next()?;
    Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
}

/// Resident memory, MiB: now (`VmRSS`) or at its highest (`VmHWM`).
pub(crate) fn memory_mib(pid: u32, what: &str) -> Result<f64, Error> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(what)?.strip_prefix(':'))
        .ok_or("an unknown /proc/PID/status")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1_024.0)
}
