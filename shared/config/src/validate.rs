//! What can only be judged once every value is understood.

mod texts;

use std::{net::SocketAddr, time::Duration};

use super::{
    mistake::Mistake,
    network::{believes_strangers, reaches_ourselves},
    server_url::HttpUrl,
    setting::{Setting, quote},
    settings::Config,
    settings::table::fields,
    units::ByteSize,
};

/// The port that stands for any free one, so that it never collides.
const ANY_PORT: u16 = 0;

/// All that is wrong with how values are or fit together. What involves a setting that is
/// already mistaken (`spoiled`) is left out: its default stands there, which nobody meant.
pub(super) fn check(config: &Config, spoiled: &[String]) -> Vec<Mistake> {
    let mut judge = Judge { config, spoiled, mistakes: Vec::new() };
    if config.profile.is_strict() {
        strict(&mut judge);
    }
    ranges(&mut judge);
    texts::texts(&mut judge);
    together(&mut judge);
    judge.mistakes
}

/// A mistake of the setting of this name, with the value that it has.
pub(super) fn mistake(config: &Config, name: &str, fault: impl Into<String>) -> Option<Mistake> {
    let Some(field) = fields().find(|field| field.name == name) else {
        debug_assert!(false, "{name} is no setting");
        return None;
    };
    Some(Mistake {
        key: field.name.to_owned(),
        value: Some((field.show)(config)).filter(|shown| !shown.is_empty()).map(|s| quote(&s)),
        origin: config.origin(field.name),
        fault: fault.into(),
    })
}

struct Judge<'a> {
    config: &'a Config,
    spoiled: &'a [String],
    mistakes: Vec<Mistake>,
}

impl Judge<'_> {
    /// Notes a mistake of the first of these settings, unless all is `fine`.
    fn demand(&mut self, fine: bool, names: &[&str], fault: impl Into<String>) {
        let spoiled = names.iter().any(|name| self.spoiled.iter().any(|other| other == name));
        if fine || spoiled {
            return;
        }
        let mistake = names.first().and_then(|name| mistake(self.config, name, fault));
        self.mistakes.extend(mistake);
    }

    /// The same of what a judgement says is wrong, if anything is.
    fn refuse(&mut self, name: &str, fault: Option<String>) {
        if let Some(fault) = fault {
            self.demand(false, &[name], fault);
        }
    }
}

/// Every setting is within the bounds that the list has for it; the narrower ones are told.
fn ranges(judge: &mut Judge<'_>) {
    let config = judge.config;
    for field in fields() {
        let within = field.within.as_ref().filter(|range| !(range.holds)(config));
        let strict = field.strict.as_ref().filter(|range| !(range.holds)(config));
        match (strict.filter(|_| config.profile.is_strict()), within) {
            (Some(range), _) => {
                let fault = format!("must be {} in {}", (range.words)(), config.profile);
                judge.demand(false, &[field.name], fault);
            }
            (None, Some(range)) => {
                judge.demand(false, &[field.name], format!("must be {}", (range.words)()));
            }
            (None, None) => {}
        }
    }
}

/// The least memory times passes that OWASP's settings for Argon2id come to: 7 MiB and 5 passes.
const HASH_WORK: u64 = 35 << 20;

/// Outside of development nothing insecure is started, by default or by wish.
fn strict(judge: &mut Judge<'_>) {
    let Config { profile, http, store, seal, webhooks, demo, auth, .. } = judge.config;

    let fault = format!("must be set in {profile}, to an https URL: we are reached from outside");
    let secure = http.public_url.as_ref().is_some_and(HttpUrl::is_https);
    judge.demand(secure, &["http.public_url"], fault);

    let fault = format!(
        "must be set in {profile}: 32 random bytes in base64, as `openssl rand -base64 32` \
         prints them"
    );
    judge.demand(seal.key.is_some(), &["seal.key"], fault);

    judge.demand(!demo.enabled, &["demo.enabled"], format!("must be false in {profile}"));

    let fault = format!("must be true in {profile}: an accepted event must survive a power cut");
    judge.demand(store.require_durable, &["store.require_durable"], fault);

    let fault = format!(
        "holds loopback or link-local addresses, through which tenants would reach this machine; \
         in {profile} no such network may be in it"
    );
    let reaching = webhooks.allow_networks.iter().any(reaches_ourselves);
    judge.demand(!reaching, &["webhooks.allow_networks"], fault);

    let fault = format!(
        "believes X-Forwarded-For of whole parts of the internet, so that strangers choose the \
         address by which they are counted; in {profile} a network is /8 or smaller, of IPv6 /16 \
         (or within fc00::/7)"
    );
    let believing = http.trusted_proxies.iter().any(believes_strangers);
    judge.demand(!believing, &["http.trusted_proxies"], fault);

    let passes = u64::from(auth.hash_passes.max(1));
    let least = HASH_WORK.div_ceil(passes).div_ceil(1 << 20);
    let fault = format!(
        "is too little for {passes} auth.hash_passes in {profile}: at least {least}MiB, or more \
         passes (what OWASP recommends comes to {} of memory times passes)",
        ByteSize::mib(35).print()
    );
    let enough = auth.hash_memory.bytes().saturating_mul(passes) >= HASH_WORK;
    // Less memory than any number of passes makes up for, and no passes, are told by their bounds.
    let enough = enough || auth.hash_memory < ByteSize::mib(7) || auth.hash_passes == 0;
    judge.demand(enough, &["auth.hash_memory", "auth.hash_passes"], fault);
}

/// Settings that must fit one another.
fn together(judge: &mut Judge<'_>) {
    let Config { http, ops, store, accept, delivery, webhooks, due, worker, registry, .. } =
        judge.config;

    let fault = format!("is the address of http.listen ({}); take another port", http.listen);
    judge.demand(!collide(http.listen, ops.listen), &["ops.listen", "http.listen"], fault);

    let fault = format!("must be at most store.max_connections ({})", store.max_connections);
    let fine = store.min_connections <= store.max_connections;
    judge.demand(fine, &["store.min_connections", "store.max_connections"], fault);

    let fault = format!("at most store.statement_timeout ({})", store.statement_timeout.print());
    let fine = store.lock_timeout <= store.statement_timeout;
    judge.demand(fine, &["store.lock_timeout", "store.statement_timeout"], fault);

    let limit = http.request_timeout.print();
    let fault =
        format!("must be less than http.request_timeout ({limit}), or no 503 can be answered");
    let fine = accept.commit_timeout < http.request_timeout;
    judge.demand(fine, &["accept.commit_timeout", "http.request_timeout"], fault);

    let fault = format!("must be at most http.max_body ({})", http.max_body.print());
    let fine = accept.max_payload <= http.max_body;
    judge.demand(fine, &["accept.max_payload", "http.max_body"], fault);

    let fault = format!("must be at most http.max_body ({})", http.max_body.print());
    let fine = http.max_anonymous_body <= http.max_body;
    judge.demand(fine, &["http.max_anonymous_body", "http.max_body"], fault);

    let fault = format!("must be at least twice http.max_body ({})", http.max_body.print());
    let fine = http.body_memory.as_usize() / 2 >= http.max_body.as_usize();
    judge.demand(fine, &["http.body_memory", "http.max_body"], fault);

    // The provider call ends a fifth of the claim before the claim does, see `delivery.claim`.
    let call = delivery.claim / 5 * 4;
    let fault = format!("must be at most four fifths of delivery.claim ({})", call.print());
    let fine = webhooks.timeout <= call;
    judge.demand(fine, &["webhooks.timeout", "delivery.claim"], fault);

    let fault = format!("must be at least due.interval ({})", due.interval.print());
    judge.demand(due.grace >= due.interval, &["due.grace", "due.interval"], fault);

    let limit = accept.commit_timeout.print();
    let fault =
        format!("must be at least accept.commit_timeout ({limit}), or slow commits are passed by");
    let fine = due.watermark_lag >= accept.commit_timeout;
    judge.demand(fine, &["due.watermark_lag", "accept.commit_timeout"], fault);

    let fault = format!("must be at least twice registry.beat ({})", registry.beat.print());
    let fine = registry.dead_after >= registry.beat * 2;
    judge.demand(fine, &["registry.dead_after", "registry.beat"], fault);

    let seal = &judge.config.seal;
    let previous = &seal.previous_keys;
    let others = previous
        .iter()
        .enumerate()
        .all(|(at, one)| seal.key.as_ref() != Some(one) && !previous[..at].contains(one));
    let fault = "must be at most 8 keys, each once, and none of them seal.key";
    let names = ["seal.previous_keys", "seal.key"];
    judge.demand(others && previous.len() <= 8, &names, fault);

    let files = &judge.config.files;
    let both = files.access_key_id.is_some() == files.secret_access_key.is_some();
    let fault = "must come with the other one: set both files.access_key_id and files.secret_access_key, or neither";
    judge.demand(both, &["files.access_key_id", "files.secret_access_key"], fault);

    let queues = &worker.queues;
    let once = queues.iter().enumerate().all(|(at, queue)| !queues[..at].contains(queue));
    let fault = "must name at least one queue, each once";
    judge.demand(once && !queues.is_empty(), &["worker.queues"], fault);

    let pauses = &delivery.backoff;
    let tick = Duration::from_millis(1);
    let paused =
        !pauses.is_empty() && pauses.len() <= 64 && pauses.iter().all(|pause| *pause >= tick);
    judge.demand(paused, &["delivery.backoff"], "must be 1 to 64 pauses of at least 1ms each");
}

fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let same_host =
        one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.port() != ANY_PORT && same_host
}
