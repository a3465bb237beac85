//! The recorder of metrics.

use metrics::{Unit, describe_gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Most of what we measure takes milliseconds; the upper ones are for deliveries that wait.
const SECONDS: [f64; 17] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0, 300.0,
];

/// Makes the recorder that all metrics of this process go to.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .install_recorder()?;
    for (name, unit, help) in PROCESS {
        describe_gauge!(name, unit, help);
    }
    metrics::gauge!("bellbuoy_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(handle)
}

const PROCESS: [(&str, Unit, &str); 12] = [
    ("bellbuoy_build_info", Unit::Count, "Always 1; the version is a label."),
    ("process_cpu_seconds_total", Unit::Seconds, "CPU time of this process."),
    ("process_resident_memory_bytes", Unit::Bytes, "Memory that this process holds."),
    ("process_virtual_memory_bytes", Unit::Bytes, "Memory that this process has mapped."),
    ("process_open_fds", Unit::Count, "Open file descriptors."),
    ("process_max_fds", Unit::Count, "The most file descriptors that may be open."),
    ("process_threads", Unit::Count, "Threads."),
    (
        "process_start_time_seconds",
        Unit::Seconds,
        "When this process began, in seconds since 1970.",
    ),
    ("tokio_workers", Unit::Count, "Threads that run tasks."),
    ("tokio_alive_tasks", Unit::Count, "Tasks that have not ended."),
    ("tokio_global_queue_depth", Unit::Count, "Tasks that wait for a worker."),
    ("tokio_worker_busy_seconds_total", Unit::Seconds, "Time that workers spent running tasks."),
];
