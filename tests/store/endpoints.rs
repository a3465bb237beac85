//! Webhook endpoints: revisions, names, secrets and what a rule set reads of them.

use bellbuoy_harness::{Stores, on_every_store};
use domain::audit::{AuditAction, Entry};
use domain::endpoint::{EndpointBody, EndpointFilter, EndpointRecord, MAX_ENDPOINTS};
use domain::id::{EndpointId, ProjectId};
use domain::precondition::Precondition;
use domain::rule::Priority;
use store::endpoints::{EndpointChange, EndpointVerdict};
use store::{Store, StoreError};

use crate::support::{at, create_endpoint, open, project, start, tenant};

on_every_store! {
    an_endpoint_is_read_as_it_was_written
    a_change_is_a_revision_and_raises_the_epoch
    a_former_secret_is_kept_until_another_one_comes
    a_deleted_endpoint_is_sent_nothing_and_frees_its_name
    a_project_has_so_many_and_no_more
    what_a_filter_names_must_be_there
    one_that_was_created_before_takes_everything
}

fn record(name: &str) -> EndpointRecord {
    let filter = EndpointFilter {
        priorities: vec![Priority::Critical, Priority::High],
        ..EndpointFilter::default()
    };
    EndpointRecord {
        id: EndpointId::fresh(start()),
        body: EndpointBody {
            name: name.to_owned(),
            url: "https://hooks.example.com/ü?a=b".to_owned(),
            description: "Ünï".to_owned(),
            filter,
        },
        revision: 1,
        disabled_at: None,
        former_until: None,
        created_by: None,
        created_at: start(),
        updated_at: start(),
    }
}

fn entry(action: AuditAction) -> Entry {
    Entry::of_system(action, uuid::Uuid::nil())
}

async fn try_add(store: &Store, project: ProjectId, new: &EndpointRecord) -> EndpointVerdict {
    let entry = entry(AuditAction::EndpointCreate);
    store.add_endpoint(project, new, &[1, 2, 3], &entry, start()).await.expect("answers")
}

async fn add(store: &Store, project: ProjectId, name: &str) -> EndpointRecord {
    let new = record(name);
    assert_eq!(try_add(store, project, &new).await, EndpointVerdict::Done(Box::new(new.clone())));
    new
}

fn done(verdict: EndpointVerdict) -> EndpointRecord {
    match verdict {
        EndpointVerdict::Done(one) => *one,
        other => panic!("{other:?}"),
    }
}

async fn epoch(store: &Store, project: ProjectId) -> i64 {
    store.rule_source(project).await.expect("a source").epoch
}

async fn an_endpoint_is_read_as_it_was_written(which: Stores) {
    let place = open(which).await;
    let store = &place.store;
    let (acme, globex) = (project(store, "acme").await, project(store, "globex").await);
    let before = epoch(store, acme).await;
    let new = add(store, acme, "tickets").await;
    assert!(epoch(store, acme).await > before);
    assert_eq!(store.endpoint(acme, new.id).await.expect("there"), new);
    let foreign = store.endpoint(globex, new.id).await;
    assert!(matches!(foreign, Err(StoreError::NotFound(_))), "{foreign:?}");
    let other = add(store, acme, "pager").await;
    let listed = store.endpoints(acme, None, 10).await.expect("lists");
    assert_eq!(listed, [other.clone(), new.clone()]);
    let rest = store.endpoints(acme, Some(other.id), 10).await.expect("lists");
    assert_eq!(rest, std::slice::from_ref(&new));
    let read = store.rule_source(acme).await.expect("a source").endpoints;
    let found = read.iter().find(|one| one.id == new.id).expect("there");
    assert_eq!((&found.secret, &found.filter), (&vec![1, 2, 3], &new.body.filter));
    assert!(found.former.is_none());
}

async fn a_change_is_a_revision_and_raises_the_epoch(which: Stores) {
    let place = open(which).await;
    let store = &place.store;
    let project = project(store, "acme").await;
    let new = add(store, project, "tickets").await;
    let other = add(store, project, "pager").await;
    let entry = entry(AuditAction::EndpointUpdate);
    let body = |name: &str| EndpointBody {
        name: name.to_owned(),
        url: "https://new.example.com/".to_owned(),
        ..EndpointBody::default()
    };
    let update = async |id, change: EndpointChange, seconds| {
        store.update_endpoint(project, id, &change, &entry, at(seconds)).await.expect("answers")
    };
    let change = |name: &str, enabled, condition| EndpointChange {
        body: Some(body(name)),
        enabled,
        condition,
    };
    let tags = Precondition::Tags(vec![new.tag()]);
    let before = epoch(store, project).await;
    let changed = done(update(new.id, change("tickets", Some(false), tags.clone()), 1).await);
    assert_eq!((changed.revision, changed.disabled_at), (2, Some(at(1))));
    assert_eq!(store.endpoint(project, new.id).await.expect("there"), changed);
    let after = epoch(store, project).await;
    assert!(after > before);
    assert_eq!(update(new.id, change("tickets", None, tags), 2).await, EndpointVerdict::Stale);
    // What changes nothing is no change.
    let again = change("tickets", Some(false), Precondition::None);
    assert_eq!(done(update(new.id, again, 3).await), changed);
    assert_eq!(epoch(store, project).await, after);
    let taken = change("pager", None, Precondition::None);
    assert_eq!(update(new.id, taken, 4).await, EndpointVerdict::NameTaken);
    let read = store.rule_source(project).await.expect("a source").endpoints;
    assert_eq!(read.iter().map(|one| one.id).collect::<Vec<_>>(), [other.id]);
    let on = EndpointChange { enabled: Some(true), ..EndpointChange::default() };
    assert_eq!(done(update(new.id, on, 5).await).disabled_at, None);
}

async fn a_former_secret_is_kept_until_another_one_comes(which: Stores) {
    let place = open(which).await;
    let store = &place.store;
    let project = project(store, "acme").await;
    let new = add(store, project, "tickets").await;
    let entry = entry(AuditAction::EndpointRotate);
    let rotate = async |secret: u8, until| {
        let rotated =
            store.rotate_endpoint_secret(project, new.id, &[secret], until, &entry, at(1)).await;
        let rotated = rotated.expect("rotates");
        assert_eq!(store.endpoint(project, new.id).await.expect("there"), rotated);
        let read = store.rule_source(project).await.expect("a source").endpoints;
        (read[0].secret.clone(), read[0].former.clone())
    };
    let until = at(60);
    assert_eq!(rotate(4, Some(until)).await, (vec![4], Some((vec![1, 2, 3], until))));
    assert_eq!(rotate(5, Some(until)).await, (vec![5], Some((vec![4], until))));
    assert_eq!(rotate(6, None).await, (vec![6], None));
    assert_eq!(store.endpoint(project, new.id).await.expect("there").revision, 4);
}

async fn a_deleted_endpoint_is_sent_nothing_and_frees_its_name(which: Stores) {
    let place = open(which).await;
    let store = &place.store;
    let (acme, globex) = (project(store, "acme").await, project(store, "globex").await);
    let new = add(store, acme, "tickets").await;
    let rotate = entry(AuditAction::EndpointRotate);
    let until = Some(at(60));
    store.rotate_endpoint_secret(acme, new.id, &[4], until, &rotate, at(1)).await.expect("rotates");
    let entry = entry(AuditAction::EndpointDelete);
    let stolen = store.delete_endpoint(globex, new.id, &entry, at(1)).await;
    assert!(matches!(stolen, Err(StoreError::NotFound(_))), "{stolen:?}");
    store.delete_endpoint(acme, new.id, &entry, at(1)).await.expect("deletes");
    let again = store.delete_endpoint(acme, new.id, &entry, at(2)).await;
    assert!(matches!(again, Err(StoreError::NotFound(_))), "{again:?}");
    assert!(store.rule_source(acme).await.expect("a source").endpoints.is_empty());
    assert_eq!(place.raw.count("endpoint_secrets").await, 0);
    let deliveries = store.endpoint_deliveries(acme, new.id, None, None, 10).await;
    assert!(matches!(deliveries, Err(StoreError::NotFound(_))));
    add(store, acme, "tickets").await;
}

async fn a_project_has_so_many_and_no_more(which: Stores) {
    let place = open(which).await;
    let store = &place.store;
    let project = project(store, "acme").await;
    for number in 0..MAX_ENDPOINTS {
        add(store, project, &format!("n{number}")).await;
    }
    assert_eq!(try_add(store, project, &record("one more")).await, EndpointVerdict::Full);
}

async fn what_a_filter_names_must_be_there(which: Stores) {
    let place = open(which).await;
    let store = &place.store;
    let acme = tenant(store, "acme", 0, None).await;
    let globex = tenant(store, "globex", 0, None).await;
    let mut new = record("tickets");
    new.body.filter.rules = vec![acme.rule.id, globex.rule.id];
    let unknown = EndpointVerdict::Unknown("rule_ids[1]".to_owned());
    assert_eq!(try_add(store, acme.project, &new).await, unknown);
    new.body.filter.rules = vec![acme.rule.id];
    assert_eq!(done(try_add(store, acme.project, &new).await), new);
}

async fn one_that_was_created_before_takes_everything(which: Stores) {
    let place = open(which).await;
    let store = &place.store;
    let project = project(store, "acme").await;
    let id = create_endpoint(store, project, "sink").await;
    let found = store.endpoint(project, id).await.expect("there");
    assert_eq!((found.revision, found.disabled_at), (1, None));
    assert_eq!(found.body.filter, EndpointFilter::default());
}
