//! The probe of the sealing key: one, whoever comes first.

use bellbuoy_harness::{Stores, on_every_store};
use config::{SealKey, Secret};
use domain::id::{ProjectId, sha256};
use domain::time::Time;
use futures_util::future::join_all;
use services::probe::{self, KeyError};
use store::sealed::Column;

use super::support;

on_every_store! {
    many_first_starts_leave_one_probe
}

async fn many_first_starts_leave_one_probe(which: Stores) {
    let place = support::open(which).await;
    let start = async |byte: u8| {
        let mut config = place.ground.config.clone();
        config.seal.key = Some(Secret::new(SealKey::new([byte; 32])));
        probe::sealer(&config, &place.store, Time::from_micros(1)).await
    };
    // Eight processes with four keys between them.
    let started = join_all((0..8).map(|number| start(number % 4))).await;
    let probes = place.store.sealed(Column::Probe, None, 10).await.expect("reads");
    assert_eq!(probes.len(), 1);
    let fitting: Vec<_> = started.iter().filter_map(|one| one.as_ref().ok()).collect();
    assert!(!fitting.is_empty(), "whoever was first has the right key");
    for sealer in &fitting {
        assert!(sealer.is_newest(&probes[0].bytes), "all of them have the same");
    }
    for refused in started.iter().filter_map(|one| one.as_ref().err()) {
        let KeyError::Unknown(unknown) = refused else { panic!("{refused}") };
        assert_eq!(unknown.sealed_with, fitting[0].key_id());
    }
    let hash = sha256(&[9; 32]);
    let Err(KeyError::Unknown(unknown)) = start(9).await else { panic!("it is refused") };
    assert_eq!(unknown.known[0].to_string(), hex(&hash[..4]));
    let row = &probes[0].place;
    assert_eq!(row.project, ProjectId::PLATFORM);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
