//! What each value must be within, taken alone.

use std::time::Duration;

use super::{
    super::{server_url::HttpUrl, setting::Setting, settings::Config, units::ByteSize},
    Judge,
};
use crate::domain::plan::{MAX_LIMIT, Plan, plan_faults};
use crate::domain::settings::is_origin;

/// Numbers that have a least and a greatest.
pub(super) fn amounts(judge: &mut Judge<'_>) {
    let Config {
        http,
        store,
        queue,
        files,
        limits,
        accept,
        auth,
        mail,
        evaluate,
        delivery,
        webhooks,
        due,
        cache,
        plan,
        ..
    } = judge.config;
    let wide = |number: usize| number as u64;
    let any = u64::MAX;
    let counts = [
        ("http.max_connections", wide(http.max_connections), 1, any),
        ("store.max_connections", store.max_connections.into(), 1, 10_000),
        ("store.read_connections", store.read_connections.into(), 1, 1_000),
        ("queue.batch", wide(queue.batch), 1, 10_000),
        ("queue.max_attempts", queue.max_attempts.into(), 1, any),
        ("limits.burst_seconds", limits.burst_seconds.into(), 1, 3_600),
        ("accept.batch", wide(accept.batch), 1, 10_000),
        ("accept.committers", wide(accept.committers), 1, 64),
        ("accept.max_batch", wide(accept.max_batch), 1, 100_000),
        ("auth.lockout_failures", auth.lockout_failures.into(), 1, 1_000),
        ("auth.password_min_length", wide(auth.password_min_length), 8, 128),
        ("auth.hash_passes", auth.hash_passes.into(), 1, 100),
        ("auth.hash_concurrency", wide(auth.hash_concurrency), 1, 64),
        ("mail.per_address_hourly", mail.per_address_hourly.into(), 1, 1_000),
        ("evaluate.concurrency", wide(evaluate.concurrency), 1, any),
        (
            "evaluate.max_events_per_transaction",
            wide(evaluate.max_events_per_transaction),
            1,
            10_000,
        ),
        ("evaluate.attempts", evaluate.attempts.into(), 1, any),
        ("delivery.concurrency", wide(delivery.concurrency), 1, any),
        ("delivery.per_provider_concurrency", wide(delivery.per_provider_concurrency), 1, any),
        ("delivery.breaker_failures", delivery.breaker_failures.into(), 1, any),
        ("due.batch", wide(due.batch), 1, 10_000),
        ("cache.max_entries", cache.max_entries, 1, any),
        ("plan.events_per_minute", plan.events_per_minute, 0, MAX_LIMIT),
        ("plan.users", plan.users, 0, MAX_LIMIT),
        ("plan.rules", plan.rules, 0, MAX_LIMIT),
        ("plan.storage_bytes", plan.storage_bytes, 0, MAX_LIMIT),
        ("plan.retention_days", plan.retention_days, 0, MAX_LIMIT),
    ];
    for (name, number, least, most) in counts {
        let right = match most {
            u64::MAX => format!("at least {least}"),
            _ => format!("from {least} to {most}"),
        };
        judge.demand((least..=most).contains(&number), &[name], right);
    }
    let sizes = [
        ("http.max_body", http.max_body, ByteSize::kib(1), ByteSize::mib(1_024)),
        ("http.max_anonymous_body", http.max_anonymous_body, ByteSize::kib(1), ByteSize::mib(1)),
        ("http.body_memory", http.body_memory, ByteSize::mib(1), ByteSize::mib(1_048_576)),
        ("http.stream_min_rate", http.stream_min_rate, ByteSize::kib(0), ByteSize::mib(1)),
        ("files.max_size", files.max_size, ByteSize::kib(1), ByteSize::mib(65_536)),
        ("accept.max_payload", accept.max_payload, ByteSize::kib(1), ByteSize::mib(16)),
        ("accept.inline_job_bytes", accept.inline_job_bytes, ByteSize::kib(0), ByteSize::mib(1)),
        ("auth.hash_memory", auth.hash_memory, ByteSize::kib(64), ByteSize::mib(1_024)),
        ("webhooks.max_response", webhooks.max_response, ByteSize::kib(0), ByteSize::mib(16)),
    ];
    for (name, size, least, most) in sizes {
        let right = format!("from {} to {}", least.print(), most.print());
        judge.demand((least..=most).contains(&size), &[name], right);
    }
    let ratio = (0.0..=1.0).contains(&judge.config.otlp.sample_ratio);
    judge.demand(ratio, &["otlp.sample_ratio"], "from 0.0 to 1.0");
}

/// Durations that must not be (nearly) nothing: a loop would spin, or a claim end before its work.
pub(super) fn durations(judge: &mut Judge<'_>) {
    let Config { http, store, queue, coordination, limits, accept, delivery, .. } = judge.config;
    let Config { webhooks, due, scheduler, auditor, audit, registry, cache, .. } = judge.config;
    let (tick, instant) = (Duration::from_millis(1), Duration::from_millis(100));
    let (second, claim) = (Duration::from_secs(1), Duration::from_secs(2));
    let least = [
        ("http.request_timeout", http.request_timeout, instant),
        ("http.header_timeout", http.header_timeout, instant),
        ("http.stream_timeout", http.stream_timeout, second),
        ("store.acquire_timeout", store.acquire_timeout, tick),
        ("store.statement_timeout", store.statement_timeout, instant),
        ("store.lock_timeout", store.lock_timeout, tick),
        ("queue.lease", queue.lease, claim),
        ("queue.poll", queue.poll, tick),
        ("coordination.timeout", coordination.timeout, tick),
        ("limits.lease_window", limits.lease_window, tick),
        ("accept.commit_timeout", accept.commit_timeout, tick),
        ("accept.idempotency_ttl", accept.idempotency_ttl, second),
        ("delivery.claim", delivery.claim, claim),
        ("delivery.breaker_open", delivery.breaker_open, tick),
        ("webhooks.timeout", webhooks.timeout, tick),
        ("due.interval", due.interval, tick),
        ("scheduler.tick", scheduler.tick, tick),
        ("auditor.interval", auditor.interval, instant),
        ("auditor.heartbeat_interval", auditor.heartbeat_interval, second),
        ("audit.retention", audit.retention, Duration::from_secs(86_400)),
        ("registry.beat", registry.beat, tick),
        ("cache.ttl", cache.ttl, tick),
    ];
    for (name, duration, least) in least {
        judge.demand(duration >= least, &[name], format!("at least {}", least.print()));
    }
    // A week is the longest that S3 lets a signature live.
    let ttl = judge.config.files.url_ttl;
    let right = "from 1s to 7d";
    judge.demand(
        (second..=Duration::from_secs(7 * 86_400)).contains(&ttl),
        &["files.url_ttl"],
        right,
    );
    // Longer ones lie about in mailboxes long after anybody remembers them.
    let auth = &judge.config.auth;
    let (minute, month) = (Duration::from_secs(60), Duration::from_secs(30 * 86_400));
    for (name, ttl) in [
        ("auth.verify_ttl", auth.verify_ttl),
        ("auth.reset_ttl", auth.reset_ttl),
        ("auth.invitation_ttl", auth.invitation_ttl),
    ] {
        judge.demand((minute..=month).contains(&ttl), &[name], "from 1m to 30d");
    }
    let pauses = &delivery.backoff;
    let paused =
        !pauses.is_empty() && pauses.len() <= 64 && pauses.iter().all(|pause| *pause >= tick);
    judge.demand(paused, &["delivery.backoff"], "1 to 64 pauses of at least 1ms each");
}

/// Texts of which not every one will do.
pub(super) fn texts(judge: &mut Judge<'_>) {
    let config = judge.config;
    let plain = config.http.public_url.is_plain();
    judge.demand(plain, &["http.public_url"], "a URL without user, password, query and fragment");
    let plain = config.files.public_url.as_ref().is_none_or(HttpUrl::is_plain);
    judge.demand(plain, &["files.public_url"], "a URL without user, password, query and fragment");
    let origins = config.http.cors_origins.iter().all(|one| one == "*" || is_origin(one));
    judge.demand(
        origins,
        &["http.cors_origins"],
        "each as browsers send it: scheme, host and port, like https://app.example.com, without a \
         * in it; or a single * for all",
    );
    let plan = Plan { name: Some(config.plan.name.clone()), ..Plan::default() };
    let right = "1 to 64 letters, digits or any of - _ .";
    judge.demand(plan_faults(&plan).is_empty(), &["plan.name"], right);
    let sender = crate::domain::mail::is_sender(&config.mail.from);
    let right = "an address, like bellbuoy@example.com or Bellbuoy <bellbuoy@example.com>";
    judge.demand(sender, &["mail.from"], right);
    let prefix = &config.queue.prefix;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
    let prefixed = (1..=64).contains(&prefix.len()) && prefix.bytes().all(allowed);
    judge.demand(prefixed, &["queue.prefix"], "1 to 64 letters, digits, or any of _ - . :");
    for (name, text) in [
        ("log.filter", &config.log.filter),
        ("otlp.service_name", &config.otlp.service_name),
        ("webhooks.user_agent", &config.webhooks.user_agent),
    ] {
        let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        judge.demand(
            printable && !text.trim().is_empty(),
            &[name],
            "a text in printable ASCII, not empty",
        );
    }
}
