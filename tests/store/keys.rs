//! API keys: found by their prefix, taken back at once.

use bellbuoy_harness::{Stores, on_every_store};
use domain::id::{KeyId, ProjectId};
use domain::key::{ApiKey, PlainKey, Scope};
use domain::project::ProjectStatus;
use store::StoreError;

use crate::support::{at, open, project, start};

on_every_store! {
    a_key_is_found_by_its_prefix_with_its_projects_state
    a_key_that_is_taken_back_counts_the_epoch_up
    a_key_needs_a_project_and_a_prefix_of_its_own
}

fn key(project: ProjectId, plain: &PlainKey) -> ApiKey {
    ApiKey {
        id: KeyId::fresh(start()),
        project,
        name: "Caché".to_owned(),
        prefix: plain.prefix.clone(),
        secret_hash: plain.hash(),
        scopes: vec![Scope::EventsWrite, Scope::Read],
        expires_at: Some(at(1000)),
        revoked_at: None,
    }
}

async fn a_key_is_found_by_its_prefix_with_its_projects_state(which: Stores) {
    let place = open(which).await;
    let project = project(&place.store, "acme").await;
    let (plain, other) = (PlainKey::fresh(), PlainKey::fresh());
    let made = key(project, &plain);
    place.store.create_key(project, &made, None, start()).await.expect("a key");
    let found =
        async || place.store.find_key(&plain.prefix).await.expect("answers").expect("is there");
    let (found_key, status, epoch) = found().await;
    assert_eq!(format!("{found_key:?}"), format!("{made:?}"));
    assert!(found_key.is(&plain) && !found_key.is(&other));
    assert_eq!((status, epoch), (ProjectStatus::Active, 1));
    place
        .store
        .set_project_status(project, ProjectStatus::Suspended, None, start())
        .await
        .expect("changes");
    let (_, status, epoch) = found().await;
    assert_eq!((status, epoch), (ProjectStatus::Suspended, 2));
    for prefix in [other.prefix.as_str(), "", "%", &plain.prefix.to_uppercase()] {
        let same = prefix == plain.prefix;
        assert_eq!(
            place.store.find_key(prefix).await.expect("answers").is_some(),
            same,
            "{prefix}"
        );
    }
}

async fn a_key_that_is_taken_back_counts_the_epoch_up(which: Stores) {
    let place = open(which).await;
    let project_id = project(&place.store, "acme").await;
    let stranger = project(&place.store, "stranger").await;
    let plain = PlainKey::fresh();
    let made = key(project_id, &plain);
    place.store.create_key(project_id, &made, None, start()).await.expect("a key");
    let stolen = place.store.revoke_key(stranger, made.id, None, at(1)).await;
    assert!(matches!(stolen, Err(StoreError::NotFound(_))), "{stolen:?}");
    place.store.revoke_key(project_id, made.id, None, at(2)).await.expect("takes it back");
    let (found, _, epoch) =
        place.store.find_key(&plain.prefix).await.expect("answers").expect("is there");
    assert_eq!((found.revoked_at, epoch), (Some(at(2)), 2));
    assert!(!found.is_valid(at(2)));
    let again = place.store.revoke_key(project_id, made.id, None, at(3)).await;
    assert!(matches!(again, Err(StoreError::NotFound(_))), "{again:?}");
    assert_eq!(
        place.store.project(project_id).await.expect("is there").epoch,
        2,
        "nothing changed"
    );
    assert_eq!(place.store.project(stranger).await.expect("is there").epoch, 1);
}

async fn a_key_needs_a_project_and_a_prefix_of_its_own(which: Stores) {
    let place = open(which).await;
    let project = project(&place.store, "acme").await;
    let plain = PlainKey::fresh();
    let nobody = ProjectId::fresh(start());
    let orphan = place.store.create_key(nobody, &key(nobody, &plain), None, start()).await;
    assert!(matches!(orphan, Err(StoreError::Conflict(_))), "{orphan:?}");
    place.store.create_key(project, &key(project, &plain), None, start()).await.expect("a key");
    let twin = place.store.create_key(project, &key(project, &plain), None, start()).await;
    assert!(matches!(twin, Err(StoreError::Conflict(_))), "{twin:?}");
}
