//! What a start would find wrong without asking any engine. `bellbuoy config check` looks at all of it, so that what it
//! calls fine does start.

use std::time::Duration;

use config::{Config, ConfigErrors, CoordinationUrl, Mistake, QueueUrl};
use crypto::seal::{SealError, Sealer};
use queue::open;
use redis_link::Link;

/// Looks at what the configuration names on this machine: certificates, the key of development, a region.
///
/// # Errors
/// Everything that is wrong.
pub fn check(config: &Config) -> Result<(), ConfigErrors> {
    let faults = [
        ("log.filter", telemetry::filter_fault(&config.log.filter)),
        ("store.url", store::url_fault(&config.store.url)),
        ("queue.url", queue(config)),
        ("coordination.url", coordination(config)),
        ("files.url", files::url_fault(&config.files)),
        ("seal.dev_key_path", key(config)),
    ];
    let told = |(name, fault): (&str, Option<String>)| config.mistake(name, fault?);
    let mistakes: Vec<Mistake> = faults.into_iter().filter_map(told).collect();
    if mistakes.is_empty() { Ok(()) } else { Err(ConfigErrors(mistakes)) }
}

fn queue(config: &Config) -> Option<String> {
    match &config.queue.url {
        QueueUrl::Sql => None,
        QueueUrl::Redis(url) => redis(url.expose()),
        QueueUrl::Sqs(url) => open::place(config, url).check().err().map(|error| error.to_string()),
    }
}

fn coordination(config: &Config) -> Option<String> {
    match &config.coordination.url {
        CoordinationUrl::Memory => None,
        CoordinationUrl::Redis(url) => redis(url.expose()),
    }
}

/// Nothing is connected to: certificates are read.
fn redis(url: &str) -> Option<String> {
    Link::open(url, Duration::from_secs(1)).err()
}

fn key(config: &Config) -> Option<String> {
    match Sealer::find(config) {
        Err(SealError::KeyFile { why, .. }) => {
            Some(format!("holds no key that can be read: {why}"))
        }
        Err(other) => Some(other.to_string()),
        Ok(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::Sources;

    fn told(name: &str, value: &str) -> String {
        let env = [(format!("BELLBUOY_{name}"), value.to_owned())].into();
        let sources = Sources { file: None, default_file: "/nowhere".into(), env };
        let config = Config::load(sources).expect("nothing that can be seen without the engines");
        check(&config).err().map(|errors| errors.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_the_engines_can_not_use_is_a_mistake() {
        for (name, value, part) in [
            ("LOG_FILTER", "info,bellbuoy=loud", "directive 2 can't be read"),
            ("LOG_FILTER", "a=b=c", "directive 1 can't be read"),
            ("STORE_URL", "postgres://h/d?sslmode=perhaps", "sslmode"),
            ("STORE_URL", "mysql://h/d?ssl-mode=perhaps", "ssl-mode"),
        ] {
            let told = told(name, value);
            assert!(told.contains(part) && told.contains(&format!("BELLBUOY_{name}")), "{told}");
        }
        assert_eq!(told("LOG_FILTER", "info,bellbuoy=debug"), "");
        assert_eq!(told("STORE_URL", "postgres://h/d?sslmode=disable"), "");
    }
}
