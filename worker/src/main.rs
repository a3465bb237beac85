//! The worker alone, on the queues that the configuration gives it.

use domain::job::QueueName;

fn main() -> std::process::ExitCode {
    runtime::process::single(|config| {
        let queues =
            config.worker.queues.iter().filter_map(|queue| QueueName::parse(queue.as_str()));
        Ok(bellbuoy_worker::role(queues.collect()))
    })
}
