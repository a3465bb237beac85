//! How a process and what it depends on are, as the operations port and the API are asked for it.

use std::sync::Arc;
use std::time::Duration;

use crypto::seal::Sealer;
use services::epochs::Epochs;
use services::probe;
use telemetry::ops::{Check, Health};

use super::engines::Engines;

/// How long a dependency may take to answer when we are asked how it is.
const PATIENCE: Duration = Duration::from_secs(2);

/// The checks of a process that works with these engines.
pub fn health(engines: &Engines, sealer: &Sealer, epochs: &Arc<Epochs>) -> Health {
    let Engines { store, queue, coordination, files, clock, .. } = engines.clone();
    let (asked, migrated, sealed) = (store.clone(), store.clone(), (store, sealer.clone()));
    let epochs = Arc::clone(epochs);
    let (placed_queue, placed_coordination) = (Arc::clone(&queue), Arc::clone(&coordination));
    let checks = vec![
        Check::needed("store", PATIENCE, move || {
            let store = asked.clone();
            async move { store.ping().await.map_err(|error| error.to_string()) }
        }),
        Check::needed("migrations", PATIENCE, move || {
            let store = migrated.clone();
            async move {
                match store.is_current().await {
                    Ok(true) => Ok(()),
                    Ok(false) => Err("some migrations are not applied".to_owned()),
                    Err(error) => Err(error.to_string()),
                }
            }
        }),
        Check::needed("sealing_key", PATIENCE, move || {
            let (store, sealer) = sealed.clone();
            async move {
                probe::check(&store, &sealer).await.map(drop).map_err(|error| error.to_string())
            }
        }),
        Check::needed("caches", PATIENCE, move || {
            let known = epochs.is_known();
            async move { if known { Ok(()) } else { Err("projects were not read yet".to_owned()) } }
        }),
        // All of these may be away: events are taken and delivered all the same.
        Check::useful("queue", PATIENCE, move || {
            let queue = Arc::clone(&queue);
            async move { queue.ping().await.map_err(|error| error.to_string()) }
        })
        .at(move || placed_queue.place()),
        Check::useful("coordination", PATIENCE, move || {
            let coordination = Arc::clone(&coordination);
            async move { coordination.ping().await.map_err(|error| error.to_string()) }
        })
        .at(move || placed_coordination.place()),
        Check::useful("files", PATIENCE, move || {
            let files = files.clone();
            async move { files.ping().await.map_err(|error| error.to_string()) }
        }),
    ];
    Health::new(checks, clock)
}
