//! What can only be judged once every value is understood.

mod bounds;

use std::net::SocketAddr;

use super::{
    mistake::Mistake,
    network::reaches_ourselves,
    setting::{Setting, quote},
    settings::Config,
    table::fields,
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
    bounds::amounts(&mut judge);
    bounds::durations(&mut judge);
    bounds::texts(&mut judge);
    together(&mut judge);
    judge.mistakes
}

struct Judge<'a> {
    config: &'a Config,
    spoiled: &'a [String],
    mistakes: Vec<Mistake>,
}

impl Judge<'_> {
    /// Notes a mistake of the first of these settings, unless all is `fine`.
    fn demand(&mut self, fine: bool, names: &[&str], right: impl Into<String>) {
        let spoiled = names.iter().any(|name| self.spoiled.iter().any(|other| other == name));
        let Some(field) = fields().find(|field| names.first() == Some(&field.name)) else {
            debug_assert!(false, "{names:?} begins with no setting");
            return;
        };
        if fine || spoiled {
            return;
        }
        self.mistakes.push(Mistake {
            key: field.name.to_owned(),
            value: Some((field.show)(self.config))
                .filter(|shown| !shown.is_empty())
                .map(|shown| quote(&shown)),
            origin: self.config.origin(field.name),
            right: right.into(),
        });
    }
}

/// Outside of development nothing insecure is started, by default or by wish.
fn strict(judge: &mut Judge<'_>) {
    let Config { profile, http, store, seal, webhooks, demo, .. } = judge.config;

    let right = format!("in {profile} an https URL, as we are reached from outside");
    judge.demand(http.public_url.is_https(), &["http.public_url"], right);

    let right = format!(
        "must be set in {profile}: 32 random bytes in base64, as `openssl rand -base64 32` \
         prints them"
    );
    judge.demand(seal.key.is_some(), &["seal.key"], right);

    judge.demand(!demo.enabled, &["demo.enabled"], format!("false in {profile}"));

    let limits = &judge.config.limits;
    for (name, limit) in [
        ("limits.login_per_minute", limits.login_per_minute),
        ("limits.register_per_minute", limits.register_per_minute),
        ("limits.recover_per_minute", limits.recover_per_minute),
    ] {
        let right =
            format!("at least 1 in {profile}: strangers must not try as often as they like");
        judge.demand(limit > 0, &[name], right);
    }

    let right = format!("true in {profile}: an accepted event must survive a power cut");
    judge.demand(store.require_durable, &["store.require_durable"], right);

    let right = format!(
        "in {profile} no network with loopback or link-local addresses in it: tenants would \
         reach this machine"
    );
    let reaching = webhooks.allow_networks.iter().any(reaches_ourselves);
    judge.demand(!reaching, &["webhooks.allow_networks"], right);
}

/// Settings that must fit one another.
fn together(judge: &mut Judge<'_>) {
    let Config { http, ops, store, accept, delivery, webhooks, due, worker, registry, .. } =
        judge.config;

    let right = format!("another port than http.listen ({})", http.listen);
    judge.demand(!collide(http.listen, ops.listen), &["ops.listen", "http.listen"], right);

    let right = format!("at most store.max_connections ({})", store.max_connections);
    let fine = store.min_connections <= store.max_connections;
    judge.demand(fine, &["store.min_connections", "store.max_connections"], right);

    let right = format!("at most store.statement_timeout ({})", store.statement_timeout.print());
    let fine = store.lock_timeout <= store.statement_timeout;
    judge.demand(fine, &["store.lock_timeout", "store.statement_timeout"], right);

    let limit = http.request_timeout.print();
    let right = format!("less than http.request_timeout ({limit}), or no 503 can be answered");
    let fine = accept.commit_timeout < http.request_timeout;
    judge.demand(fine, &["accept.commit_timeout", "http.request_timeout"], right);

    let right = format!("at most http.max_body ({})", http.max_body.print());
    let fine = accept.max_payload <= http.max_body;
    judge.demand(fine, &["accept.max_payload", "http.max_body"], right);

    let right = format!("at most http.max_body ({})", http.max_body.print());
    let fine = http.max_anonymous_body <= http.max_body;
    judge.demand(fine, &["http.max_anonymous_body", "http.max_body"], right);

    let right = format!("at least twice http.max_body ({})", http.max_body.print());
    let fine = http.body_memory.as_usize() / 2 >= http.max_body.as_usize();
    judge.demand(fine, &["http.body_memory", "http.max_body"], right);

    // The provider call ends a fifth of the claim before the claim does, see `delivery.claim`.
    let call = delivery.claim / 5 * 4;
    let right = format!("at most four fifths of delivery.claim ({})", call.print());
    let fine = webhooks.timeout <= call;
    judge.demand(fine, &["webhooks.timeout", "delivery.claim"], right);

    let right = format!("at least due.interval ({})", due.interval.print());
    judge.demand(due.grace >= due.interval, &["due.grace", "due.interval"], right);

    let limit = accept.commit_timeout.print();
    let right = format!("at least accept.commit_timeout ({limit}), or slow commits are passed by");
    let fine = due.watermark_lag >= accept.commit_timeout;
    judge.demand(fine, &["due.watermark_lag", "accept.commit_timeout"], right);

    let right = format!("at least twice registry.beat ({})", registry.beat.print());
    let fine = registry.dead_after >= registry.beat * 2;
    judge.demand(fine, &["registry.dead_after", "registry.beat"], right);

    let seal = &judge.config.seal;
    let previous = &seal.previous_keys;
    let others = previous
        .iter()
        .enumerate()
        .all(|(at, one)| seal.key.as_ref() != Some(one) && !previous[..at].contains(one));
    let right = "at most 8 keys, each once, and none of them seal.key";
    let names = ["seal.previous_keys", "seal.key"];
    judge.demand(others && previous.len() <= 8, &names, right);

    let files = &judge.config.files;
    let both = files.access_key_id.is_some() == files.secret_access_key.is_some();
    let right = "both, files.access_key_id and files.secret_access_key, or neither";
    judge.demand(both, &["files.access_key_id", "files.secret_access_key"], right);

    let queues = &worker.queues;
    let once = queues.iter().enumerate().all(|(at, queue)| !queues[..at].contains(queue));
    let right = "at least one queue, each once";
    judge.demand(once && !queues.is_empty(), &["worker.queues"], right);
}

fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let same_host =
        one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.port() != ANY_PORT && same_host
}
