//! The scheduler alone.

fn main() -> std::process::ExitCode {
    shared::process::single(|_| Ok(bellbuoy_scheduler::role()))
}
