//! The HTTP API alone.

fn main() -> std::process::ExitCode {
    runtime::process::single(|config| {
        let (role, address) = bellbuoy_api::role(config)?;
        config.http.listen = address;
        Ok(role)
    })
}
