//! Roles that projects make for themselves: names are unique, parents make no circles, and what is used stays.

use bellbuoy_harness::{Stores, on_every_store};
use domain::audit::{Actor, AuditAction, Entry};
use domain::id::{ProjectId, RoleId};
use domain::permission::Grant;
use domain::precondition::Precondition;
use domain::role::{Role, RoleChange, RoleRefusal};
use store::roles::{RoleUses, RoleVerdict};
use store::{Store, StoreError};
use uuid::Uuid;

use crate::support::{another, at, open, project, start, tenant};

on_every_store! {
    a_role_is_kept_as_it_was_made_and_changed
    a_role_that_is_used_stays
    parents_make_no_circles
    two_changes_at_once_make_no_circle
}

fn role(name: &str, permissions: &[&str]) -> Role {
    Role {
        id: RoleId::fresh(start()),
        name: name.to_owned(),
        description: format!("{name} and more"),
        permissions: permissions.iter().map(|text| Grant::parse(text).expect(text)).collect(),
        parent: None,
        built_in: false,
        created_at: start(),
        updated_at: start(),
    }
}

fn entry(action: AuditAction) -> Entry {
    Entry {
        actor: Actor::System,
        action,
        resource: Uuid::nil(),
        before: None,
        after: None,
        subject: Uuid::nil(),
        personal: None,
        origin: None,
        correlation: None,
        once: None,
        requester: None,
    }
}

async fn add(store: &Store, project: ProjectId, role: &Role) -> RoleVerdict {
    let entry = entry(AuditAction::RoleCreate);
    store.add_role(project, role, &entry, start()).await.expect("answers")
}

async fn change(store: &Store, project: ProjectId, role: &Role) -> RoleVerdict {
    let entry = entry(AuditAction::RoleUpdate);
    let change = RoleChange {
        name: Some(role.name.clone()),
        description: Some(role.description.clone()),
        permissions: Some(role.permissions.clone()),
        parent: Some(role.parent),
        condition: Precondition::None,
    };
    store.change_role(project, role.id, &change, &entry, at(1)).await.expect("answers")
}

fn is_done(verdict: &RoleVerdict) -> bool {
    matches!(verdict, RoleVerdict::Done(_))
}

fn is_parent(verdict: &RoleVerdict) -> bool {
    matches!(verdict, RoleVerdict::Refused(RoleRefusal::Parent(_)))
}

async fn a_role_is_kept_as_it_was_made_and_changed(which: Stores) {
    let place = open(which).await;
    let (store, mine) = (&place.store, project(&place.store, "acme").await);
    let other = project(store, "other").await;
    let made = role("night", &["!rules:delete", "users:read:own"]);
    assert!(is_done(&add(store, mine, &made).await));
    // Those that every project has are not what this is about.
    let found = async |of| {
        let all = store.roles(of).await.expect("answers");
        all.into_iter().filter(|one| !one.built_in).collect::<Vec<Role>>()
    };
    assert_eq!(found(mine).await, std::slice::from_ref(&made));
    assert_eq!(found(other).await, []);
    let twin = add(store, mine, &role("night", &[])).await;
    assert_eq!(twin, RoleVerdict::Refused(RoleRefusal::NameTaken));

    let before = store.epochs().await.expect("answers");
    let changed =
        Role { name: "day".to_owned(), permissions: Vec::new(), updated_at: at(1), ..made };
    assert!(is_done(&change(store, mine, &changed).await));
    assert_eq!(found(mine).await, std::slice::from_ref(&changed));
    assert_ne!(store.epochs().await.expect("answers"), before, "live tokens follow");
    let entry = entry(AuditAction::RoleDelete);
    let stolen = store.delete_role(other, changed.id, &entry, at(2)).await;
    assert!(matches!(stolen, Err(StoreError::NotFound(_))), "{stolen:?}");
    let gone = store.delete_role(mine, changed.id, &entry, at(2)).await.expect("answers");
    assert_eq!((gone, found(mine).await), (RoleVerdict::Done(changed.clone()), vec![]));
    let again = store.delete_role(mine, changed.id, &entry, at(2)).await;
    assert!(matches!(again, Err(StoreError::NotFound(_))), "{again:?}");
    // The name is free again, and every change was written down.
    assert!(is_done(&add(store, mine, &role("day", &[])).await));
    assert_eq!(place.raw.count("audit WHERE action LIKE 'role.%'").await, 4);
}

async fn a_role_that_is_used_stays(which: Stores) {
    let place = open(which).await;
    let store = &place.store;
    let tenant = tenant(store, "acme", 0, None).await;
    let roles = store.roles(tenant.project).await.expect("answers");
    let on_call = roles.iter().find(|one| one.name == "on_call").expect("is there").clone();
    let child = Role { parent: Some(on_call.id), ..role("child", &[]) };
    assert!(is_done(&add(store, tenant.project, &child).await));
    let entry = entry(AuditAction::RoleDelete);
    let uses = RoleUses {
        members: 1,
        rules: vec!["Payments".to_owned()],
        children: vec!["child".to_owned()],
    };
    let kept = store.delete_role(tenant.project, on_call.id, &entry, at(1)).await;
    assert_eq!(kept.expect("answers"), RoleVerdict::Used(uses));
    let renamed = Role { name: "on_duty".to_owned(), ..on_call.clone() };
    let named = RoleUses { rules: vec!["Payments".to_owned()], ..RoleUses::default() };
    assert_eq!(change(store, tenant.project, &renamed).await, RoleVerdict::Used(named));
    let more = Role { description: "More.".to_owned(), ..on_call };
    assert!(is_done(&change(store, tenant.project, &more).await));
}

async fn parents_make_no_circles(which: Stores) {
    let place = open(which).await;
    let (store, mine) = (&place.store, project(&place.store, "acme").await);
    let other = project(store, "other").await;
    let (one, foreign) = (role("one", &[]), role("foreign", &[]));
    assert!(is_done(&add(store, mine, &one).await));
    assert!(is_done(&add(store, other, &foreign).await));
    let two = Role { parent: Some(one.id), ..role("two", &[]) };
    assert!(is_done(&add(store, mine, &two).await));
    for parent in [one.id, two.id, foreign.id, RoleId::fresh(start())] {
        let circle = Role { parent: Some(parent), ..one.clone() };
        assert!(is_parent(&change(store, mine, &circle).await), "{parent}");
    }
    let orphan = Role { parent: Some(foreign.id), ..role("orphan", &[]) };
    assert!(is_parent(&add(store, mine, &orphan).await));
}

async fn two_changes_at_once_make_no_circle(which: Stores) {
    let place = open(which).await;
    let store = another(&place.ground).await;
    let mine = project(&store, "acme").await;
    for round in 0..5 {
        let (one, two) = (role(&format!("a{round}"), &[]), role(&format!("b{round}"), &[]));
        assert!(is_done(&add(&store, mine, &one).await));
        assert!(is_done(&add(&store, mine, &two).await));
        let first = Role { parent: Some(two.id), ..one.clone() };
        let second = Role { parent: Some(one.id), ..two };
        let done = futures_util::future::join(
            change(&place.store, mine, &first),
            change(&store, mine, &second),
        )
        .await;
        assert!(
            (is_done(&done.0) && is_parent(&done.1)) || (is_parent(&done.0) && is_done(&done.1)),
            "{done:?}"
        );
    }
}
