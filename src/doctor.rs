//! `bellbuoy doctor`: asks every configured engine how it is, in plain words.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use config::{Config, CoordinationUrl, FilesUrl, QueueUrl, StoreUrl};
use coordination::Coordination;
use coordination::redis::RedisCoordination;
use crypto::seal::Sealer;
use domain::job::QueueName;
use queue::Queue;
use queue::redis::RedisQueue;
use runtime::app::open_files;
use runtime::exposure::exposures;
use runtime::process::Failure;
use serde_json::json;
use services::probe::{self, KeyError};
use store::Store;

use crate::out::{self, say};

struct Finding {
    what: &'static str,
    engine: String,
    took: Duration,
    place: Option<String>,
    wrong: Option<String>,
    /// What works and should be different.
    warning: Option<String>,
}

impl Finding {
    /// The same, with words about where the engine is.
    fn at(self, place: Option<String>) -> Self {
        Self { place, ..self }
    }
}

/// How long an engine may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks and prints; fails when something is wrong. It changes nothing, and makes no key either.
pub async fn run(config: Config, as_json: bool) -> Result<ExitCode, Failure> {
    let (mut findings, store) = store(&config).await;
    findings.push(queue(&config).await);
    findings.push(coordination(&config).await);
    findings.push(sealing(&config, store.as_ref()).await);
    findings.push(files(&config).await);
    findings.extend(exposures(&config).into_iter().map(exposed));
    let ill = findings.iter().any(|one| one.wrong.is_some());
    if as_json {
        let list: Vec<_> = findings
            .iter()
            .map(|one| {
                json!({ "what": one.what, "engine": one.engine, "ok": one.wrong.is_none(),
                        "took_ms": one.took.as_millis() as u64, "at": one.place,
                        "wrong": one.wrong, "warning": one.warning })
            })
            .collect();
        out::json(&json!({ "ok": !ill, "findings": list }))?;
    } else {
        for one in &findings {
            let warning = one.warning.as_ref().map(|words| format!("warning: {words}"));
            let verdict = one.wrong.as_deref().or(warning.as_deref()).unwrap_or("fine");
            let place = one.place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
            say!(
                "{:<14} {:<12} {:>5} ms  {verdict}{place}",
                one.what,
                one.engine,
                one.took.as_millis()
            );
        }
    }
    Ok(if ill { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn ask(
    what: &'static str,
    engine: String,
    question: impl Future<Output = Result<(), String>>,
) -> Finding {
    let started = Instant::now();
    let answer = tokio::time::timeout(PATIENCE, question).await;
    let wrong =
        answer.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs()))).err();
    Finding { what, engine, took: started.elapsed(), place: None, wrong, warning: None }
}

fn exposed(warning: String) -> Finding {
    let (took, engine) = (Duration::ZERO, "disk".to_owned());
    let what = "permissions";
    Finding { what, engine, took, place: None, wrong: None, warning: Some(warning) }
}

/// Holds the key against the store, if that answers.
async fn sealing(config: &Config, store: Option<&Store>) -> Finding {
    let mut found = None;
    let asked = ask("sealing key", "aes-256-gcm".to_owned(), async {
        let words = |error: KeyError| error.to_string();
        found = match store {
            Some(store) => probe::known_sealer(config, store).await.map_err(words)?,
            None => Sealer::find(config).map_err(|error| error.to_string())?,
        };
        Ok(())
    });
    let asked = asked.await;
    let key = found.map_or("none yet: the first start makes one".to_owned(), |sealer| {
        format!("key {}", sealer.key_id())
    });
    let fine = asked.wrong.is_none();
    asked.at(fine.then_some(key))
}

async fn store(config: &Config) -> (Vec<Finding>, Option<Store>) {
    // A pool would only say that no connection came in time.
    let reached = ask("store", engine(config).to_owned(), Store::reach(&config.store)).await;
    if reached.wrong.is_some() {
        return (vec![reached], None);
    }
    let opened = Store::open(&config.store, config.log.slow_query).await;
    let store = match opened {
        Ok(store) => store,
        Err(error) => {
            let failed = async { Err(error.to_string()) };
            return (vec![ask("store", engine(config).to_owned(), failed).await], None);
        }
    };
    let kind = || store.kind().to_owned();
    let words = |error: store::StoreError| error.to_string();
    let pinged = ask("store", kind(), async { store.ping().await.map_err(words) }).await;
    let reachable = pinged.wrong.is_none();
    let mut findings = vec![pinged];
    if reachable {
        findings.push(
            ask("durability", kind(), async {
                let weak = store.durability().await.map_err(words)?;
                if weak.is_empty() { Ok(()) } else { Err(weak.join("; ")) }
            })
            .await,
        );
        findings.push(
            ask("migrations", kind(), async {
                match store.is_current().await.map_err(words)? {
                    true => Ok(()),
                    false => Err("some are missing: run `bellbuoy migrate`".to_owned()),
                }
            })
            .await,
        );
    }
    (findings, reachable.then_some(store))
}

/// Which engine keeps the store.
const fn engine(config: &Config) -> &'static str {
    match &config.store.url {
        StoreUrl::Sqlite { .. } => "sqlite",
        StoreUrl::Postgres(_) => "postgres",
        StoreUrl::Mysql(_) => "mysql",
    }
}

async fn queue(config: &Config) -> Finding {
    match &config.queue.url {
        QueueUrl::Sql => ask("queue", "sql".to_owned(), async { Ok(()) }).await,
        QueueUrl::Redis(url) => {
            let opened = RedisQueue::open(url.expose(), &config.queue.prefix, config.queue.lease);
            let asked = ask("queue", "redis".to_owned(), async {
                let queue = opened.as_ref().map_err(ToString::to_string)?;
                // A server may answer pings and still refuse the user scripts or keys.
                queue.ping().await.map_err(|error| error.to_string())?;
                for name in QueueName::ALL {
                    queue.depth(name).await.map_err(|error| error.to_string())?;
                }
                Ok(())
            });
            let found = asked.await;
            found.at(opened.as_ref().ok().and_then(Queue::place))
        }
        QueueUrl::Sqs(url) => {
            let asked = ask("queue", "sqs".to_owned(), async {
                let queue = queue::open::sqs(config, url).map_err(|error| error.to_string())?;
                let wrong = queue.check().await.map_err(|error| error.to_string())?;
                if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
            });
            let endpoint = url.endpoint.as_ref().map(ToString::to_string);
            asked.await.at(Some(endpoint.unwrap_or_else(|| url.region.clone())))
        }
    }
}

async fn coordination(config: &Config) -> Finding {
    match &config.coordination.url {
        CoordinationUrl::Memory => ask("coordination", "memory".to_owned(), async { Ok(()) }).await,
        CoordinationUrl::Redis(url) => {
            let opened = RedisCoordination::open(url.expose(), &config.queue.prefix, PATIENCE);
            let asked = ask("coordination", "redis".to_owned(), async {
                let door = opened.as_ref().map_err(ToString::to_string)?;
                door.ping().await.map_err(|error| error.to_string())?;
                let groups = vec!["doctor".to_owned()];
                door.present(groups).await.map(drop).map_err(|error| error.to_string())
            });
            let found = asked.await;
            found.at(opened.as_ref().ok().and_then(Coordination::place))
        }
    }
}

/// Stores a small file, reads it and takes it away: whether it is there is not all that can be wrong with a bucket.
async fn files(config: &Config) -> Finding {
    let engine = match &config.files.url {
        FilesUrl::Disk { .. } => "disk",
        FilesUrl::S3(_) => "s3",
    };
    ask("files", engine.to_owned(), async {
        // No link is made that anybody would follow: any key does where there is none yet.
        let sealer = match Sealer::find(config) {
            Ok(Some(sealer)) => Ok(sealer),
            Ok(None) => Sealer::with_key([0; 32]),
            Err(error) => Err(error),
        };
        let sealer = sealer.map_err(|error| error.to_string())?;
        let door = open_files(config, &sealer).map_err(|error| error.to_string())?;
        door.probe().await.map_err(|error| error.to_string())
    })
    .await
}
