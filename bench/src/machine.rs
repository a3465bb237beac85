//! The machine, in one line, and what processes use of it. Where there is no /proc, some of it stays unknown.

use std::collections::HashMap;
use std::fs::read_to_string;
use std::time::{Duration, Instant};

/// Cores, processor, memory, kernel.
pub fn line() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpu = proc_field("/proc/cpuinfo", "model name");
    let memory = proc_field("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse::<f64>();
    let memory =
        memory.map_or_else(|_| "?".to_owned(), |kb| format!("{:.0}", kb / 1024.0 / 1024.0));
    let kernel = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let system = std::env::consts::OS;
    format!("{cores} cores, {cpu}, {memory} GiB, {system} {}", kernel.trim())
}

/// How many processes wanted a core in the last minute: above 1 before the run, others disturb it.
pub fn busy() -> Option<f64> {
    read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

fn proc_field(file: &str, name: &str) -> String {
    let text = read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim());
    value.filter(|value| !value.is_empty()).unwrap_or("unknown").to_owned()
}

/// The kernel counts in these.
const TICK: Duration = Duration::from_millis(10);

/// Whether a process of this machine has that name.
pub fn is_named(process: u32, name: &str) -> bool {
    read_to_string(format!("/proc/{process}/comm")).is_ok_and(|found| found.trim() == name)
}

/// Who started a process.
pub fn parent_of(process: u32) -> Option<u32> {
    parent(&read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// How long a process has had a core; `None` where nobody tells.
pub fn cpu_time(process: u32) -> Option<Duration> {
    let stats = stats()?;
    let own = stats.get(&process)?;
    Some(TICK * ticks(own, OWN)?)
}

/// The same with all processes that it started, and those that they did.
pub fn family_time(process: u32) -> Option<Duration> {
    let stats = stats()?;
    let mut family = vec![process];
    let mut at = 0;
    while let Some(one) = family.get(at).copied() {
        family
            .extend(stats.iter().filter(|(_, stat)| parent(stat) == Some(one)).map(|(id, _)| *id));
        at += 1;
    }
    let all = family.iter().filter_map(|one| ticks(stats.get(one)?, WITH_ENDED)).sum::<u32>();
    Some(TICK * all)
}

/// How long all cores together were busy since the start of the machine.
fn busy_time() -> Option<Duration> {
    let text = read_to_string("/proc/stat").ok()?;
    let fields: Vec<u32> = text
        .lines()
        .next()?
        .split_ascii_whitespace()
        .skip(1)
        .map_while(|one| one.parse().ok())
        .collect();
    // User, nice, system; then idle and waiting, which are none; then interrupts and what the host took.
    let busy: u32 = fields
        .iter()
        .enumerate()
        .filter(|(at, _)| !matches!(at, 3 | 4 | 8..))
        .map(|(_, one)| one)
        .sum();
    Some(TICK * busy)
}

/// Watches for others: what they do on the same cores makes figures worse than they are.
pub struct Watch {
    began: Instant,
    busy: Option<Duration>,
    ours: Option<Duration>,
    engines: Vec<u32>,
}

impl Watch {
    /// From now on; we are the bench, with all that it started, and these engines.
    pub fn start(engines: Vec<u32>) -> Self {
        Self { began: Instant::now(), busy: busy_time(), ours: ours(&engines), engines }
    }

    /// How many cores others used meanwhile.
    pub fn others(&self) -> Option<f64> {
        let busy = busy_time()?.saturating_sub(self.busy?);
        let ours = ours(&self.engines)?.saturating_sub(self.ours?);
        Some(busy.saturating_sub(ours).as_secs_f64() / self.began.elapsed().as_secs_f64())
    }
}

fn ours(engines: &[u32]) -> Option<Duration> {
    let own = std::process::id();
    // Those that we started are in our family.
    let named = engines.iter().filter(|id| parent_of(**id) != Some(own)).copied();
    std::iter::once(own).chain(named).map(family_time).sum()
}

fn stats() -> Option<HashMap<u32, String>> {
    let all = std::fs::read_dir("/proc").ok()?.flatten();
    let stat = |entry: std::fs::DirEntry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        Some((id, read_to_string(entry.path().join("stat")).ok()?))
    };
    Some(all.filter_map(stat).collect())
}

// Fields of a `stat`, counted from the one behind the name.
const PARENT: usize = 1;
const OWN: std::ops::Range<usize> = 11..13;
const WITH_ENDED: std::ops::Range<usize> = 11..15;

fn parent(stat: &str) -> Option<u32> {
    field(stat, PARENT)
}

fn ticks(stat: &str, fields: std::ops::Range<usize>) -> Option<u32> {
    fields.map(|at| field(stat, at)).sum()
}

fn field(stat: &str, at: usize) -> Option<u32> {
    // The name is in parentheses and may hold anything.
    stat[stat.rfind(')')? + 1..].split_ascii_whitespace().nth(at)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_read_from_behind_the_name() {
        let stat = "42 (a b) c) S 7 1 1 0 -1 0 0 0 0 0 3 4 10 20 20 0 1 0";
        assert_eq!(parent(stat), Some(7));
        assert_eq!(ticks(stat, OWN), Some(7));
        assert_eq!(ticks(stat, WITH_ENDED), Some(37));
        assert_eq!(ticks("42 (a) S 7", OWN), None);
    }
}
