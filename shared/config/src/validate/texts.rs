//! Texts of which not every one will do.

use url::Url;

use super::{super::server_url::HttpUrl, Judge};
use domain::plan::{Plan, plan_faults};
use domain::settings::is_origin;

/// The longest name of a domain.
const LONGEST_DOMAIN: usize = 253;

/// Judges them.
pub(super) fn texts(judge: &mut Judge<'_>) {
    let config = judge.config;
    for (name, url) in [
        ("http.public_url", &config.http.public_url),
        ("files.public_url", &config.files.public_url),
    ] {
        let plain = url.as_ref().is_none_or(HttpUrl::is_plain);
        let fault = "has more than scheme, host, port and path: paths are put behind it, so that it must be a URL \
                     without user, password, query and fragment";
        judge.demand(plain, &[name], fault);
    }
    judge.refuse("http.cors_origins", config.http.cors_origins.iter().find_map(|one| origin(one)));
    judge.refuse("auth.base_domain", config.auth.base_domain.as_deref().and_then(domain));
    let plan = Plan { name: Some(config.plan.name.clone()), ..Plan::default() };
    let fault = "is not a name of 1 to 64 letters, digits or any of - _ .";
    judge.demand(plan_faults(&plan).is_empty(), &["plan.name"], fault);
    let sender = domain::mail::is_sender(&config.mail.from);
    let fault = "holds no mail address; it takes an address, like bellbuoy@example.com or Bellbuoy <bellbuoy@example.com>";
    judge.demand(sender, &["mail.from"], fault);
    let prefix = &config.queue.prefix;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
    let prefixed = (1..=64).contains(&prefix.len()) && prefix.bytes().all(allowed);
    judge.demand(prefixed, &["queue.prefix"], "must be 1 to 64 letters, digits, or any of _ - . :");
    for (name, text) in [
        ("log.filter", &config.log.filter),
        ("otlp.service_name", &config.otlp.service_name),
        ("webhooks.user_agent", &config.webhooks.user_agent),
    ] {
        judge.demand(!text.trim().is_empty(), &[name], "is empty");
        let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        let fault = "has characters that are not printable ASCII";
        judge.demand(printable, &[name], fault);
    }
}

/// What is wrong with an origin, if anything is.
fn origin(text: &str) -> Option<String> {
    if text == "*" {
        return None;
    }
    let why = match Url::parse(text) {
        _ if text.contains('*') => "a * stands for all origins alone, not for a part of one",
        Err(_) => "it is no URL",
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            "its scheme is neither http nor https"
        }
        Ok(_) if is_origin(text) => return None,
        Ok(_) => {
            "there is more than scheme, host and port, or not in the way that browsers write it"
        }
    };
    Some(format!(
        "{why}; each is as browsers send it: scheme, host and port, like https://app.example.com; or *"
    ))
}

/// What is wrong with the name of a domain, if anything is.
fn domain(text: &str) -> Option<String> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let why = if text.contains("://") {
        "it is a URL"
    } else if text.contains('/') {
        "there is a path in it"
    } else if text.contains(':') {
        "there is a port in it"
    } else if text.starts_with('.') || text.ends_with('.') {
        "it begins or ends with a dot"
    } else if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        "it has capital letters"
    } else if text.parse::<std::net::IpAddr>().is_ok() {
        "it is an IP address, below which there are no names"
    } else if text.len() > LONGEST_DOMAIN || !text.split('.').all(label) {
        "it is no name of a domain"
    } else {
        return None;
    };
    Some(format!("{why}; it takes the domain alone, like alerts.example.com"))
}
