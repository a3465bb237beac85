//! The list of all settings. To add one, add it here: a doc comment that says what it does and
//! why its default is what it is, a type, a default, and what it must be within: `within` in any
//! profile, `strict` outside of development. Nothing else needs to be told.

pub(super) mod range;
pub(super) mod table;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;

use super::{
    choices::{LogFormat, Profile, WorkerQueue},
    engines::{CoordinationUrl, QueueUrl, StoreUrl},
    files_url::FilesUrl,
    mail_url::MailUrl,
    network::loopback,
    secret::{SealKey, Secret},
    server_url::HttpUrl,
    setting::Setting,
    units::ByteSize,
};
use domain::plan::MAX_LIMIT;
use range::{Range, Within};
use table::{Field, Origins, Section, settings};

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

const fn mins(count: u64) -> Duration {
    secs(count * 60)
}

const fn hours(count: u64) -> Duration {
    mins(count * 60)
}

const fn days(count: u64) -> Duration {
    hours(count * 24)
}

const fn kib(count: u32) -> ByteSize {
    ByteSize::kib(count)
}

const fn mib(count: u32) -> ByteSize {
    ByteSize::mib(count)
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn everywhere(port: u16) -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], port))
}

settings! {
    /// The public HTTP API.
    http: HttpConfig {
        /// Where the API listens. Development stays on this machine; elsewhere a load balancer must
        /// reach it.
        listen: SocketAddr = local(8080), production: everywhere(8080);
        /// How people and programs outside reach the API; links in messages begin with it. Not set: this
        /// machine, at the port of `http.listen`. Outside of development it must be set, and be https.
        public_url: Option<HttpUrl> = None;
        /// The largest request body. Enough for a usual batch of 1000 events of 8 KiB; larger
        /// batches are split by the producer.
        max_body: ByteSize = mib(8),
            within: kib(1)..=mib(1_024), strict: kib(64)..=mib(128);
        /// The largest request body of a caller without a valid key or login. Enough for every
        /// operation by which people come in; strangers must not fill memory.
        max_anonymous_body: ByteSize = kib(16),
            within: kib(1)..=mib(1), strict: kib(4)..=kib(256);
        /// Memory that request bodies being read may take together, beyond what each may have
        /// without a login. One project gets at most half of it; what does not fit is answered with
        /// 429. Room for 32 of the largest bodies.
        body_memory: ByteSize = mib(256),
            within: mib(1)..=mib(1_048_576);
        /// How long a request may take. Longer than any answer needs, shorter than the 60 s after
        /// which load balancers give up.
        request_timeout: Duration = secs(30),
            within: ms(100)..=hours(1), strict: secs(1)..=mins(5);
        /// Connections served at once, further ones wait. Bounds memory and file descriptors, far
        /// above what one process can keep busy.
        max_connections: usize = 10_000,
            within: 1..=1_000_000, strict: 16..=200_000;
        /// Connections from one address at once (of IPv6: from one /64), further ones are answered
        /// with 429 and closed; 0 is no limit. It counts the other end of the connection, whatever
        /// headers say; proxies in `http.trusted_proxies` are exempt. A tenth of all, so that
        /// nobody alone keeps others out, and a load balancer that was not named still gets far.
        max_connections_per_address: usize = 1_000,
            within: 0..=1_000_000, strict: 1..=200_000;
        /// How long a request or an answer may take that is read or written piece by piece: an
        /// import or an export. Enough for gigabytes, and nobody holds a connection for ever.
        stream_timeout: Duration = hours(1),
            within: ms(100)..=days(7), strict: secs(10)..=days(1);
        /// The least bytes a second at which a client must send an import, counted over every 10 s
        /// that it keeps us waiting, and take an answer, counted over 75 s; 0 is none. The slowest
        /// honest line is faster.
        stream_min_rate: ByteSize = kib(1),
            within: kib(0)..=mib(1), strict: kib(1)..=mib(1);
        /// How long a client may take to send its headers. Honest ones need one round trip; slow
        /// ones must not hold connections.
        header_timeout: Duration = secs(10),
            within: ms(100)..=mins(5), strict: secs(1)..=secs(60);
        /// Origins whose browser pages may call the API (`https://app.example.com`), besides those
        /// of a project's settings; `*` for all. None, for only who is named may.
        cors_origins: Vec<String> = Vec::new();
        /// Networks of the proxies in front of us: only from there `X-Forwarded-For` is believed.
        /// None, for anyone can write that header; outside of development none larger than /8, or than
        /// /16 of IPv6.
        trusted_proxies: Vec<IpNet> = Vec::new();
        /// Whether `/docs` and the OpenAPI document are served. Closed in production, where
        /// strangers would read it.
        docs_enabled: bool = true, production: false;
        /// Whether browsers are told to come back over https only (HSTS). Not set: when public_url
        /// is https.
        hsts: Option<bool> = None;
        /// How long running requests may go on after SIGTERM. Less than the 30 s after which
        /// orchestrators kill.
        shutdown_grace: Duration = secs(20),
            within: Duration::ZERO..=hours(1);
    }

    /// The operations port of every role: health and metrics.
    ops: OpsConfig {
        /// Where `/live`, `/ready`, `/health` and `/metrics` listen. On this machine only, for it
        /// has no login; in a container set 0.0.0.0:8081 and don't publish it.
        listen: SocketAddr = local(8081);
    }

    /// Logs, to standard output.
    log: LogConfig {
        /// How lines look: for people in development, for collectors elsewhere.
        format: LogFormat = LogFormat::Pretty, production: LogFormat::Json;
        /// What is logged, as `tracing` filters are written: `info,bellbuoy=debug`. At info a
        /// request or job makes about one line.
        filter: String = "info,poem=warn,sqlx=warn".to_owned();
        /// Statements that take longer are logged. Well above what any of ours takes on an idle
        /// store.
        slow_query: Duration = ms(500),
            within: Duration::ZERO..=hours(1);
    }

    /// Traces, sent over OTLP.
    otlp: OtlpConfig {
        /// The collector, like `http://localhost:4318`. Not set: no traces are made.
        endpoint: Option<HttpUrl> = None;
        /// The share of traces that is kept, 0.0 to 1.0. All, until the collector is the
        /// bottleneck.
        sample_ratio: f64 = 1.0,
            within: 0.0..=1.0;
        /// The name under which they appear.
        service_name: String = "bellbuoy".to_owned();
    }

    /// The store: the SQL database that holds all truth.
    store: StoreConfig {
        /// The database: `sqlite://path` (one process), `postgres://user:password@host:5432/database`
        /// or `mysql://user:password@host:3306/database` (MySQL 8 or MariaDB). A file by default, for
        /// then there is nothing to install.
        url: StoreUrl = StoreUrl::sqlite("./data/bellbuoy.db");
        /// Connections of one process to a server. Commits are shared, so 16 keep a server of 8
        /// cores busy; the sum over processes must stay below its own limit.
        max_connections: u32 = 16,
            within: 1..=10_000;
        /// Connections that are kept open when idle, so that the first requests after a lull don't
        /// wait for a login.
        min_connections: u32 = 2,
            within: 0..=10_000;
        /// How long to wait for a connection. A pool that is empty for 5 s won't recover within a
        /// request; 503 is the honest answer.
        acquire_timeout: Duration = secs(5),
            within: ms(1)..=mins(5), strict: ms(100)..=mins(1);
        /// How long a statement may run. Less than a request may take, so that it is the store that
        /// is blamed.
        statement_timeout: Duration = secs(20),
            within: ms(100)..=hours(1), strict: secs(1)..=mins(5);
        /// How long a statement waits for a lock. Locks are held for milliseconds; what waits 5 s
        /// is stuck and better retried.
        lock_timeout: Duration = secs(5),
            within: ms(1)..=mins(5), strict: ms(100)..=mins(1);
        /// Connections for reading a SQLite file; writing has one of its own. Reads are short, more
        /// than cores only queue in it.
        read_connections: u32 = 4,
            within: 1..=1_000;
        /// Whether a store that may lose commits in a power cut is refused at start. Must be on
        /// outside of development: a 202 is a promise.
        require_durable: bool = false, production: true;
    }

    /// The queue: carries jobs to workers at once.
    queue: QueueConfig {
        /// `sql:` (in the store, no other server), `redis://host:6379` (`rediss://` for TLS),
        /// `redis+sentinel://host:26379,host:26379/name` or `redis+cluster://host:6379,host:6379`, or
        /// `sqs://region/prefix` with the options `fifo=true`, `endpoint=`, `max_receives=10` and
        /// `wait=20`. In the store by default, for then there is nothing more to install.
        url: QueueUrl = QueueUrl::Sql;
        /// What all names in Redis begin with, and in SQS those of a URL without a prefix, so that
        /// installations can share a server.
        prefix: String = "bellbuoy".to_owned();
        /// How long a reserved job belongs to its worker unless renewed. Under the 30 s after which
        /// a dead worker's work is promised to go on.
        lease: Duration = secs(25),
            within: secs(2)..=hours(1);
        /// Jobs reserved at once. Enough that the round trip is shared, few enough that other
        /// workers get some.
        batch: usize = 64,
            within: 1..=10_000;
        /// How often to look when no wake-up came. Wake-ups are the rule; a look at each of three
        /// queues every two seconds keeps an idle worker below two commands a second.
        poll: Duration = secs(2),
            within: ms(1)..=mins(10);
        /// Reservations that may end without an outcome before a job is dead. A job that kills its
        /// worker must not do so for ever.
        max_attempts: u32 = 5,
            within: 1..=1_000_000, strict: 1..=1_000;
        /// How long a job of an unknown kind is given back before it is dead. A rolling deploy is
        /// over within a day.
        unknown_kind_patience: Duration = hours(24);
    }

    /// Coordination between processes: limits, presence, broadcast.
    coordination: CoordinationConfig {
        /// `memory:` (one process only; a second one is refused when it starts), or Redis as for
        /// queue.url, the same one or another.
        url: CoordinationUrl = CoordinationUrl::Memory;
        /// How long to wait for an answer before going on without. Nothing depends on it, so it may
        /// cost a request only little.
        timeout: Duration = ms(50),
            within: ms(1)..=mins(1), strict: ms(1)..=secs(5);
    }

    /// Files: what projects keep beside the store.
    files: FilesConfig {
        /// `file://path` (a folder that all processes share) or
        /// `s3://bucket/prefix?region=eu-central-1`; for another server than AWS with
        /// `&endpoint=https://host:9000&path_style=true`. A folder by default, for then there is
        /// nothing to install.
        url: FilesUrl = FilesUrl::disk("./data/files");
        /// The key to the bucket. Not set: that of the environment (`AWS_ACCESS_KEY_ID`), of the
        /// container or of the machine, where a role is safer than a key that stays.
        access_key_id: Option<String> = None;
        /// The secret that goes with it.
        secret_access_key: Option<Secret<String>> = None;
        /// A public server or CDN before the files, like `https://cdn.example.com`: a file's key
        /// stands behind it. Not set: files are reached by signed links alone.
        public_url: Option<HttpUrl> = None;
        /// How long a signed link is good when nobody says otherwise. Long enough to begin a
        /// download, short enough that a link that leaks is soon worth nothing.
        url_ttl: Duration = mins(15),
            within: secs(1)..=days(7), strict: secs(1)..=days(1);
        /// The largest file. Ample for a sound or an export; what is larger is a mistake.
        max_size: ByteSize = mib(100),
            within: kib(1)..=mib(65_536);
    }

    /// Sealing: encryption of secrets and personal data in the store.
    seal: SealConfig {
        /// The key: 32 random bytes in base64. Not set: development makes one for itself; elsewhere
        /// it must be given, for what it sealed is lost with it.
        key: Option<Secret<SealKey>> = None;
        /// Keys that were `seal.key` before: what they sealed opens, and nothing more is sealed with
        /// them. None, until a key is rotated; see the page on keys.
        previous_keys: Vec<Secret<SealKey>> = Vec::new();
        /// Where development keeps the key that it makes. Beside the database that it opens.
        dev_key_path: PathBuf = PathBuf::from("./data/seal.key");
    }

    /// Rate limits; 0 is unlimited, where it is allowed. They are leased ahead over all processes, so they hold within a
    /// lease window.
    limits: LimitsConfig {
        /// Events per second of the whole installation. Unlimited, for what it can take is known
        /// only once it is measured.
        system_per_second: u32 = 0;
        /// Events per second of one project. Above any usual load, and a fraction of what one
        /// process accepts: one flood leaves room for others.
        project_per_second: u32 = 2_000;
        /// Requests per second of one API key. As many as its project has events, for most projects
        /// have one key that matters.
        key_per_second: u32 = 2_000;
        /// Requests per second of one person. A busy page makes some ten.
        user_per_second: u32 = 50;
        /// Requests per second of one address that has not logged in. An office behind one address
        /// passes, guessing passwords at speed does not.
        address_per_second: u32 = 200,
            strict: 1..=10_000;
        /// Requests per second of all keys and people of one project. Twice what one key may, so that
        /// people get through beside it.
        project_requests_per_second: u32 = 4_000;
        /// Requests per second of the whole installation. Unlimited, as for events.
        system_requests_per_second: u32 = 0;
        /// Logins per minute from one address into one project. These, and the three below, are
        /// counted in the store, exactly over all processes. An office in the morning passes.
        login_per_minute: u32 = 60,
            strict: 1..=1_000;
        /// Accounts asked for per minute from one address. People do it once.
        register_per_minute: u32 = 10,
            strict: 1..=600;
        /// Attempts per minute from one address to replace a password, prove an address or accept
        /// an invitation, of each kind. Enough for mistakes, few for guessing.
        recover_per_minute: u32 = 10,
            strict: 1..=600;
        /// Refreshed logins per minute from one address. A page does it every 15 minutes.
        refresh_per_minute: u32 = 300,
            strict: 1..=10_000;
        /// Seconds' worth of a limit that may be saved up and spent at once. Two, so that clients
        /// that send each second may be uneven.
        burst_seconds: u32 = 2,
            within: 1..=3_600, strict: 1..=60;
        /// How far ahead a process leases its share. A request then needs no round trip, and a
        /// process that dies takes little with it.
        lease_window: Duration = ms(50),
            within: ms(1)..=mins(1), strict: ms(1)..=secs(1);
    }

    /// What a project may use that was given no plan of its own; 0 is no limit.
    plan: PlanConfig {
        /// What the plan is called.
        name: String = "standard".to_owned();
        /// Events that are accepted per minute, over all keys. Unlimited, for the limits per second
        /// protect the installation already; a plan is what was agreed with the tenant.
        events_per_minute: u64 = 0,
            within: 0..=MAX_LIMIT;
        /// Accounts. Unlimited, for only the operator knows what was agreed.
        users: u64 = 0,
            within: 0..=MAX_LIMIT;
        /// Rules. Likewise.
        rules: u64 = 0,
            within: 0..=MAX_LIMIT;
        /// Bytes of files. Likewise; it is kept for the release that counts them.
        storage_bytes: u64 = 0,
            within: 0..=MAX_LIMIT;
        /// Days that history is kept. For ever; it is kept for the release that forgets events.
        retention_days: u64 = 0,
            within: 0..=MAX_LIMIT;
    }

    /// Accepting events.
    accept: AcceptConfig {
        /// Events that share a commit at most. From here on larger commits save little and wait
        /// longer.
        batch: usize = 256,
            within: 1..=10_000;
        /// Commits in flight at once. Two: one is filled while the other is on the disk, and goes
        /// before that is done only when it is full, or the other takes long.
        committers: usize = 2,
            within: 1..=64;
        /// How long a commit may take before 503 is answered. A store that needs longer is in
        /// trouble, and producers do retry.
        commit_timeout: Duration = secs(5),
            within: ms(1)..=mins(5), strict: ms(100)..=mins(1);
        /// The largest payload of one event. Ample for an alert; what is larger belongs into a
        /// file.
        max_payload: ByteSize = kib(256),
            within: kib(1)..=mib(16);
        /// Events in one batch request. What one commit or a few can hold.
        max_batch: usize = 1_000,
            within: 1..=100_000, strict: 1..=10_000;
        /// How long an idempotency key is remembered. Clients that retry do so within a day.
        idempotency_ttl: Duration = hours(24),
            within: secs(1)..=days(365), strict: mins(1)..=days(90);
        /// Events travel inside their job while it is smaller than this, else they are read back.
        /// Saves the read, and keeps queues small.
        inline_job_bytes: ByteSize = kib(64),
            within: kib(0)..=mib(1);
    }

    /// People who log in.
    auth: AuthConfig {
        /// The domain under which each project is found as a subdomain by its slug, when people log
        /// in. None, for projects can be named in the request.
        base_domain: Option<String> = None;
        /// How long an access token is good for. Short, for it is refreshed without anybody noticing.
        access_ttl: Duration = mins(15),
            within: secs(1)..=days(365), strict: mins(1)..=hours(1);
        /// How long a session may rest. A week, as long as its refresh token is good for.
        session_idle: Duration = days(7),
            within: secs(1)..=days(3_650), strict: mins(5)..=days(90);
        /// How long a session lasts at most, however busy it is. Once a month a password is no
        /// burden.
        session_absolute: Duration = days(30),
            within: secs(1)..=days(3_650), strict: mins(5)..=days(365);
        /// Failures in a row that lock an account. Fewer would lock people out who mistype.
        lockout_failures: u32 = 5,
            within: 1..=1_000, strict: 1..=100;
        /// How long it stays locked. Too long for guessing, short enough to wait for.
        lockout: Duration = mins(15),
            within: Duration::ZERO..=days(365), strict: mins(1)..=days(1);
        /// The fewest characters of a password. Length is what counts, and phrases are easy.
        password_min_length: usize = 10,
            within: 8..=128;
        /// Whether strangers may ask for an account, which works once an admin approves it. On, for without one nothing
        /// comes of it.
        registration: bool = true;
        /// How long the token is good that proves an address. A day, for mails lie until people look.
        verify_ttl: Duration = hours(24),
            within: mins(1)..=days(30), strict: mins(5)..=days(7);
        /// How long the token is good that gives a new password. Whoever asked for it is waiting.
        reset_ttl: Duration = hours(1),
            within: mins(1)..=days(30), strict: mins(5)..=days(1);
        /// How long an invitation is good when nobody says otherwise. A week, for people go on leave.
        invitation_ttl: Duration = days(7),
            within: mins(1)..=days(30);
        /// Memory that hashing one password takes. What OWASP recommends for Argon2id; outside of
        /// development memory times passes must be 35MiB or more.
        hash_memory: ByteSize = mib(19),
            within: kib(64)..=mib(1_024), strict: mib(7)..=mib(1_024);
        /// Passes over that memory. OWASP's figure for it.
        hash_passes: u32 = 2,
            within: 1..=100;
        /// Passwords hashed at once in one process. Bounds its memory; alerts need the cores too.
        hash_concurrency: usize = 2,
            within: 1..=64;
    }

    /// Mails about accounts: tokens and notices.
    mail: MailConfig {
        /// `mailbox:path`: a folder in which each mail becomes a file. There is nothing else yet; what lies there is
        /// yours to send on and to delete, and it holds tokens.
        url: MailUrl = MailUrl::mailbox("./data/mailbox");
        /// The sender: an address, or a name with the address in angle brackets.
        from: String = "Bellbuoy <bellbuoy@localhost>".to_owned();
        /// Mails an hour that strangers can have sent to one address. Enough for who mistypes, too few to flood
        /// somebody.
        per_address_hourly: u32 = 5,
            within: 1..=1_000, strict: 1..=60;
    }

    /// Evaluating rules.
    evaluate: EvaluateConfig {
        /// Batches evaluated at once in one process. Each holds a connection of the store; four
        /// leave most of the pool to others.
        concurrency: usize = 4,
            within: 1..=10_000;
        /// Events in one transaction. Bounds how long its locks are held, at a few milliseconds.
        max_events_per_transaction: usize = 256,
            within: 1..=10_000;
        /// Attempts before an event has failed. What fails five times alone will fail again.
        attempts: u32 = 5,
            within: 1..=1_000_000, strict: 1..=1_000;
    }

    /// Delivering to people, on all channels.
    delivery: DeliveryConfig {
        /// Deliveries under way at once in one process. They wait for providers, not for us, so
        /// there are many.
        concurrency: usize = 64,
            within: 1..=100_000;
        /// How long a claimed delivery belongs to its worker; the provider call ends a fifth of it
        /// before. Under the 30 s after which a dead worker's work is promised to go on.
        claim: Duration = secs(25),
            within: secs(2)..=hours(1);
        /// Pauses before each further attempt; after the last the delivery is dead. Short ones for
        /// hiccups, long ones for an outage of half a day.
        backoff: Vec<Duration> = vec![secs(5), secs(30), mins(2), mins(10), hours(1), hours(6)];
        /// Calls at once to one provider of one project. Half of all, so that a slow provider never
        /// takes the other half.
        per_provider_concurrency: usize = 32,
            within: 1..=100_000;
        /// Failures in a row after which a provider is left alone. More than bad luck, fewer than a
        /// pile-up.
        breaker_failures: u32 = 20,
            within: 1..=1_000_000;
        /// How long it is left alone before one call tries again. As long as a restart takes.
        breaker_open: Duration = secs(30),
            within: ms(1)..=days(1);
    }

    /// Webhooks, to addresses that tenants choose.
    webhooks: WebhooksConfig {
        /// Private networks that may be called all the same. This machine in development, to try
        /// webhooks out; else none, for tenants could reach what only we should.
        allow_networks: Vec<IpNet> = loopback(), production: Vec::new();
        /// How long an endpoint may take to answer. Must end a fifth before the claim does, or a
        /// slow answer counts as unknown.
        timeout: Duration = secs(15),
            within: ms(1)..=hours(1), strict: ms(100)..=mins(5);
        /// How much of an answer is read and kept. Enough for an error text.
        max_response: ByteSize = kib(64),
            within: kib(0)..=mib(16), strict: kib(0)..=mib(1);
        /// The User-Agent that endpoints see.
        user_agent: String = concat!("Bellbuoy/", env!("CARGO_PKG_VERSION")).to_owned();
    }

    /// Taking in what other programs send.
    intake: IntakeConfig {
        /// Hosts besides Amazon's own that messages of SNS may name for their certificate and for confirming a
        /// subscription, as `host` or `host:port`, wherever they are. None, unless something else speaks as SNS does.
        sns_hosts: Vec<String> = Vec::new();
    }

    /// The due loop: takes what is due straight from the store.
    due: DueConfig {
        /// How often it looks. Retries and steps are seconds apart, so two are soon enough.
        interval: Duration = secs(2),
            within: ms(1)..=mins(10);
        /// Rows claimed at once. It looks again at once while batches are full.
        batch: usize = 256,
            within: 1..=10_000;
        /// A row unmoved this long after it became due is taken here, though a job for it may still
        /// come. Long enough that a working queue is first.
        grace: Duration = secs(10);
        /// How far behind now events without evaluation are looked for. A commit that took its time
        /// must not be passed by.
        watermark_lag: Duration = secs(10);
    }

    /// Workers.
    worker: WorkerConfig {
        /// The queues that this process takes jobs from. All, so that one process is enough.
        queues: Vec<WorkerQueue> = WorkerQueue::ALL.to_vec();
        /// How long running jobs may go on after SIGTERM before they are given back. Less than the
        /// 30 s after which orchestrators kill.
        shutdown_grace: Duration = secs(20),
            within: Duration::ZERO..=hours(1);
    }

    /// The scheduler of maintenance.
    scheduler: SchedulerConfig {
        /// How often it looks for ticks that are due. Schedules have a resolution of a second at
        /// best.
        tick: Duration = secs(1),
            within: ms(1)..=mins(10);
    }

    /// The auditor: counts and repairs broken invariants.
    auditor: AuditorConfig {
        /// How often it looks. Its queries read indexes only, and what is stuck is known within a
        /// minute.
        interval: Duration = secs(30),
            within: ms(100)..=days(1), strict: ms(100)..=hours(1);
        /// The URL that is called with GET while all is well, of a service that alarms when calls
        /// stay away. Secret, for who knows it can fake our health.
        heartbeat_url: Option<Secret<HttpUrl>> = None;
        /// How often it is called. What such services expect at the finest.
        heartbeat_interval: Duration = secs(60),
            within: secs(1)..=days(1);
    }

    /// The audit log: who did what.
    audit: AuditConfig {
        /// How long its rows are kept. Longer than a year, for that is how far back reviews look.
        retention: Duration = days(400),
            within: days(1)..=days(3_650), strict: days(30)..=days(3_650);
    }

    /// The registry of live processes.
    registry: RegistryConfig {
        /// How often a process says that it lives. One small row a second is nothing to any store.
        beat: Duration = secs(1),
            within: ms(1)..=mins(1);
        /// How long without a beat until it counts as dead. Five missed beats are no hiccup, and a
        /// restart is not refused for long.
        dead_after: Duration = secs(5),
            within: ms(2)..=mins(10);
    }

    /// The demo project.
    demo: DemoConfig {
        /// Whether the first start makes a demo project with a rule and prints its key. Off outside
        /// of development, for whoever reads the output has the key.
        enabled: bool = true, production: false;
    }

    /// Caches in the process.
    cache: CacheConfig {
        /// How long an entry lives at most. Changes are seen by epochs within a second; this only
        /// frees what nobody uses.
        ttl: Duration = secs(60),
            within: ms(1)..=days(1), strict: ms(1)..=hours(1);
        /// Entries in each cache at most. Some 100 MB when all are full.
        max_entries: u64 = 100_000,
            within: 1..=100_000_000;
    }
}
