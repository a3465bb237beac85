//! The scheduler alone.

fn main() -> std::process::ExitCode {
    runtime::process::single(|_| Ok(bellbuoy_scheduler::role()))
}
