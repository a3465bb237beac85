//! The HTTP API alone.

fn main() -> std::process::ExitCode {
    shared::process::single(|config| Ok(bellbuoy_api::role(config)?.0))
}
