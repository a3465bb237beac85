//! What the operating system and the runtime know of this process, read when somebody asks.

use std::fs;

use metrics::gauge;

/// Ticks per second and the size of a page are constants of every Linux that we run on.
const TICKS: f64 = 100.0;

/// Reads all of it anew. Where there is no `/proc`, those values are simply not there.
pub fn refresh() {
    runtime();
    let Some(stat) = fs::read_to_string("/proc/self/stat").ok().and_then(|text| Stat::read(&text))
    else {
        return;
    };
    gauge!("process_cpu_seconds_total").set(stat.cpu_ticks / TICKS);
    gauge!("process_threads").set(stat.threads);
    gauge!("process_virtual_memory_bytes").set(stat.virtual_bytes);
    if let Some(boot) = fs::read_to_string("/proc/stat").ok().and_then(|text| boot_time(&text)) {
        gauge!("process_start_time_seconds").set(boot + stat.start_ticks / TICKS);
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(kib) = number_after(&status, "VmRSS:") {
        gauge!("process_resident_memory_bytes").set(kib * 1024.0);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // One of them is the directory that is being read.
        gauge!("process_open_fds").set(open.count().saturating_sub(1) as f64);
    }
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    if let Some(most) = number_after(&limits, "Max open files") {
        gauge!("process_max_fds").set(most);
    }
}

fn runtime() {
    let Ok(handle) = tokio::runtime::Handle::try_current() else { return };
    let metrics = handle.metrics();
    let workers = metrics.num_workers();
    gauge!("tokio_workers").set(workers as f64);
    gauge!("tokio_alive_tasks").set(metrics.num_alive_tasks() as f64);
    gauge!("tokio_global_queue_depth").set(metrics.global_queue_depth() as f64);
    let busy = |worker| metrics.worker_total_busy_duration(worker).as_secs_f64();
    gauge!("tokio_worker_busy_seconds_total").set((0..workers).map(busy).sum::<f64>());
}

struct Stat {
    cpu_ticks: f64,
    threads: f64,
    start_ticks: f64,
    virtual_bytes: f64,
}

impl Stat {
    fn read(text: &str) -> Option<Self> {
        // The name of the process, in parentheses, may itself hold blanks and parentheses.
        let fields: Vec<f64> = text
            .rsplit_once(')')?
            .1
            .split_ascii_whitespace()
            .skip(1)
            .map_while(|field| field.parse().ok())
            .collect();
        let field = |number: usize| fields.get(number - 4).copied();
        Some(Self {
            cpu_ticks: field(14)? + field(15)?,
            threads: field(20)?,
            start_ticks: field(22)?,
            virtual_bytes: field(23)?,
        })
    }
}

fn boot_time(text: &str) -> Option<f64> {
    number_after(text, "btime")
}

fn number_after(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_process_with_an_odd_name() {
        let text = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 12345 1048576 300 18446744073709551615";
        let stat = Stat::read(text).expect("readable");
        assert_eq!((stat.cpu_ticks, stat.threads, stat.start_ticks), (300.0, 9.0, 12345.0));
        assert_eq!(stat.virtual_bytes, 1_048_576.0);
        assert_eq!(number_after("x 1\nVmRSS:\t  2048 kB\n", "VmRSS:"), Some(2048.0));
    }
}
