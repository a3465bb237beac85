//! Event types and their versions, and what accepting reads of them.

use bellbuoy_harness::{Stores, on_every_store};
use domain::audit::{AuditAction, Entry};
use domain::event_type::{EventType, EventTypeBody, NewSchema, SchemaMode};
use domain::id::{EventTypeId, ProjectId};
use domain::precondition::Precondition;
use store::event_types::{EventTypeChange, EventTypeFilter, EventTypeVerdict, NextVersion};
use store::{Store, StoreError};

use crate::support::{at, open, project, start};

on_every_store! {
    an_event_type_is_read_as_it_was_written
    a_change_is_a_revision_and_raises_the_epoch
    a_version_follows_the_one_it_was_compared_with
    a_deleted_event_type_leaves_nothing
    names_are_taken_once_in_a_project_alone
}

/// What JSON columns would write anew: order, blanks, large numbers.
const SCHEMA: &str = r#"{ "type":"object",  "b": 1.0, "a": 12345678901234567890, "ü": "\u00fc" }"#;

fn said(schema: &str) -> NewSchema {
    NewSchema { schema: schema.to_owned(), example: Some("{ }".to_owned()) }
}

fn event_type(name: &str) -> EventType {
    EventType {
        id: EventTypeId::fresh(start()),
        name: name.to_owned(),
        body: EventTypeBody { description: "Ünï".to_owned(), mode: SchemaMode::Reject },
        version: 1,
        revision: 1,
        deprecated_at: None,
        created_by: None,
        created_at: start(),
        updated_at: start(),
    }
}

fn entry(action: AuditAction) -> Entry {
    Entry::of_system(action, uuid::Uuid::nil())
}

async fn add(store: &Store, project: ProjectId, name: &str) -> EventType {
    let (new, entry) = (event_type(name), entry(AuditAction::EventTypeCreate));
    let added = store.add_event_type(project, &new, &said(SCHEMA), &entry, start()).await;
    assert_eq!(added.expect("adds"), EventTypeVerdict::Done(Box::new(new.clone())));
    new
}

fn done(verdict: EventTypeVerdict) -> EventType {
    match verdict {
        EventTypeVerdict::Done(one) => *one,
        other => panic!("{other:?}"),
    }
}

async fn epoch(store: &Store, project: ProjectId) -> i64 {
    store.event_type_heads(project).await.expect("heads").epoch
}

async fn an_event_type_is_read_as_it_was_written(which: Stores) {
    let place = open(which).await;
    let project = project(&place.store, "acme").await;
    let before = epoch(&place.store, project).await;
    let new = add(&place.store, project, "order.shipped").await;
    let found = place.store.event_type(project, "order.shipped").await.expect("there");
    assert_eq!(found, new);
    let (_, version) =
        place.store.event_type_version(project, "order.shipped", None).await.expect("there");
    assert_eq!((version.version, &version.says), (1, &said(SCHEMA)));
    let heads = place.store.event_type_heads(project).await.expect("heads");
    assert!(heads.epoch > before);
    let head = &heads.heads[0];
    assert_eq!(
        (head.id, head.name.as_str(), head.mode, head.version, head.is_deprecated),
        (new.id, "order.shipped", SchemaMode::Reject, 1, false)
    );
    let text = place.store.event_type_schema(project, new.id, 1).await.expect("reads");
    assert_eq!(text.as_deref(), Some(SCHEMA));
    let none = place.store.event_type_version(project, "order.shipped", Some(2)).await;
    assert!(matches!(none, Err(StoreError::NotFound(_))), "{none:?}");
}

async fn a_change_is_a_revision_and_raises_the_epoch(which: Stores) {
    let place = open(which).await;
    let project = project(&place.store, "acme").await;
    let new = add(&place.store, project, "order.shipped").await;
    let before = epoch(&place.store, project).await;
    let entry = entry(AuditAction::EventTypeUpdate);
    let change = |deprecated, condition| EventTypeChange {
        body: Some(EventTypeBody { description: String::new(), mode: SchemaMode::Warn }),
        deprecated: Some(deprecated),
        condition,
    };
    let tags = |tag: String| Precondition::Tags(vec![tag]);
    let update = async |change: EventTypeChange, seconds| {
        let changed =
            place.store.update_event_type(project, "order.shipped", &change, &entry, at(seconds));
        changed.await.expect("answers")
    };
    let changed = done(update(change(true, tags(new.tag())), 1).await);
    assert_eq!((changed.revision, changed.deprecated_at), (2, Some(at(1))));
    let heads = place.store.event_type_heads(project).await.expect("heads");
    assert!(heads.epoch > before && heads.heads[0].is_deprecated);
    assert_eq!(update(change(true, tags(new.tag())), 2).await, EventTypeVerdict::Stale);
    // What changes nothing is no change, and it stays deprecated since then.
    assert_eq!(done(update(change(true, Precondition::None), 3).await), changed);
    assert_eq!(epoch(&place.store, project).await, heads.epoch);
    let back = done(update(change(false, Precondition::None), 4).await);
    assert_eq!((back.revision, back.deprecated_at), (3, None));
    let active = EventTypeFilter { deprecated: Some(false), name: Some("SHIP".to_owned()) };
    let listed = place.store.event_types(project, active, None, 10).await.expect("lists");
    assert_eq!(listed, [back]);
}

async fn a_version_follows_the_one_it_was_compared_with(which: Stores) {
    let place = open(which).await;
    let project = project(&place.store, "acme").await;
    let new = add(&place.store, project, "order.shipped").await;
    let entry = entry(AuditAction::EventTypeVersion);
    let next = |version| NextVersion {
        after: (new.id, version),
        says: said("{}"),
        condition: Precondition::None,
    };
    let store = &place.store;
    let add = async |version| {
        let next = next(version);
        let added =
            store.add_event_type_version(project, "order.shipped", &next, &entry, at(1)).await;
        added.expect("answers")
    };
    assert_eq!(done(add(1).await).version, 2);
    assert_eq!(add(1).await, EventTypeVerdict::Moved);
    for version in 2..100 {
        assert_eq!(done(add(version).await).version, version + 1);
    }
    assert_eq!(add(100).await, EventTypeVerdict::Full);
    let listed = store.event_type_versions(project, "order.shipped", Some(3), 10).await;
    let numbers: Vec<i64> = listed.expect("lists").into_iter().map(|one| one.0).collect();
    assert_eq!(numbers, [2, 1]);
}

async fn a_deleted_event_type_leaves_nothing(which: Stores) {
    let place = open(which).await;
    let (acme, globex) =
        (project(&place.store, "acme").await, project(&place.store, "globex").await);
    let new = add(&place.store, acme, "order.shipped").await;
    let entry = entry(AuditAction::EventTypeDelete);
    let delete = async |project| {
        place.store.delete_event_type(project, "order.shipped", &entry, at(1)).await
    };
    assert!(matches!(delete(globex).await, Err(StoreError::NotFound(_))));
    let before = epoch(&place.store, acme).await;
    delete(acme).await.expect("deletes");
    assert!(epoch(&place.store, acme).await > before);
    assert!(matches!(delete(acme).await, Err(StoreError::NotFound(_))));
    let text = place.store.event_type_schema(acme, new.id, 1).await.expect("reads");
    assert_eq!((text, place.raw.count("event_type_versions").await), (None, 0));
    add(&place.store, acme, "order.shipped").await;
}

async fn names_are_taken_once_in_a_project_alone(which: Stores) {
    let place = open(which).await;
    let (acme, globex) =
        (project(&place.store, "acme").await, project(&place.store, "globex").await);
    add(&place.store, acme, "order.shipped").await;
    add(&place.store, globex, "order.shipped").await;
    add(&place.store, acme, "Order.shipped").await;
    let entry = entry(AuditAction::EventTypeCreate);
    let new = event_type("order.shipped");
    let again = place.store.add_event_type(acme, &new, &said("{}"), &entry, start()).await;
    assert_eq!(again.expect("answers"), EventTypeVerdict::NameTaken);
}
