//! Projects: names, states, epochs, and rows that can't belong to two.

use bellbuoy_harness::{Stores, on_every_store};
use domain::id::{ProjectId, RoleId, UserId};
use domain::project::{Project, ProjectStatus};
use store::StoreError;
use store::projects::Standing;

use crate::support::{at, open, project, start};

on_every_store! {
    names_are_told_apart_byte_by_byte
    a_project_is_found_by_its_id_and_slug
    two_projects_share_no_slug_and_no_name
    every_change_of_state_counts_the_epoch_up
    members_and_roles_of_two_projects_do_not_mix
    rows_of_no_project_are_refused
}

async fn a_project_is_found_by_its_id_and_slug(which: Stores) {
    let place = open(which).await;
    let id = ProjectId::fresh(start());
    place.store.create_project(id, "acme", "Acmé 名", at(5)).await.expect("a project");
    let wanted = Project {
        id,
        slug: "acme".to_owned(),
        name: "Acmé 名".to_owned(),
        status: ProjectStatus::Active,
        description: String::new(),
        epoch: 1,
        created_at: at(5),
        updated_at: at(5),
    };
    assert_eq!(place.store.project(id).await.expect("is there"), wanted);
    assert_eq!(place.store.project_by_slug("acme").await.expect("answers"), Some(wanted));
    for other in ["Acme", "acme ", "", "acm_"] {
        assert_eq!(place.store.project_by_slug(other).await.expect("answers"), None, "{other}");
    }
    let nobody = place.store.project(ProjectId::fresh(start())).await;
    assert!(matches!(nobody, Err(StoreError::NotFound(_))), "{nobody:?}");
}

async fn two_projects_share_no_slug_and_no_name(which: Stores) {
    let place = open(which).await;
    let id = project(&place.store, "acme").await;
    let create = async |id: ProjectId, slug: &str, name: &str| {
        place.store.create_project(id, slug, name, start()).await
    };
    for (id, slug, name) in [
        (ProjectId::fresh(start()), "acme", "Another"),
        (ProjectId::fresh(start()), "another", "acme"),
        (id, "another", "Another"),
    ] {
        let made = create(id, slug, name).await;
        assert!(matches!(made, Err(StoreError::Conflict(_))), "{made:?}");
    }
    create(ProjectId::fresh(start()), "another", "Acme").await.expect("case matters");
    assert_eq!(place.raw.count("projects").await, 2);
}

async fn every_change_of_state_counts_the_epoch_up(which: Stores) {
    let place = open(which).await;
    let (one, other) = (project(&place.store, "one").await, project(&place.store, "other").await);
    for (at_epoch, status) in
        [(2, ProjectStatus::Suspended), (3, ProjectStatus::Active), (4, ProjectStatus::Archived)]
    {
        assert_eq!(
            place.store.set_project_status(one, status, None, at(9)).await.expect("changes"),
            at_epoch
        );
        let standing = |id, epoch, status| Standing {
            id,
            epoch,
            access_epoch: epoch,
            settings_epoch: 0,
            status,
        };
        let mut wanted =
            [standing(one, at_epoch, status), standing(other, 1, ProjectStatus::Active)];
        wanted.sort_by_key(|known| known.id);
        assert_eq!(place.store.epochs().await.expect("answers"), wanted);
        assert_eq!(place.store.project(one).await.expect("is there").status, status);
    }
    let nobody = ProjectId::fresh(start());
    let changed =
        place.store.set_project_status(nobody, ProjectStatus::Active, None, start()).await;
    assert!(matches!(changed, Err(StoreError::NotFound(_))), "{changed:?}");
}

async fn members_and_roles_of_two_projects_do_not_mix(which: Stores) {
    let place = open(which).await;
    let (one, other) = (project(&place.store, "one").await, project(&place.store, "other").await);
    let (mine, theirs) = (UserId::fresh(start()), UserId::fresh(start()));
    place.store.create_user(one, mine, "a@example.com", "A", start()).await.expect("a user");
    place
        .store
        .create_user(other, theirs, "a@example.com", "A", start())
        .await
        .expect("the same address elsewhere");
    let (role, their_role) = (RoleId::fresh(start()), RoleId::fresh(start()));
    let mixed = place.store.create_role(one, role, "on_call", &[mine, theirs], start()).await;
    assert!(matches!(mixed, Err(StoreError::Conflict(_))), "{mixed:?}");
    assert_eq!(place.raw.count("roles WHERE built_in = 0").await, 0, "nothing of it is left");
    assert_eq!(place.store.project(one).await.expect("is there").epoch, 2);
    place.store.create_role(one, role, "on_call", &[mine], start()).await.expect("a role");
    place
        .store
        .create_role(other, their_role, "on_call", &[theirs], start())
        .await
        .expect("a role");
    let insert = async |project: ProjectId, user: UserId, role: RoleId| {
        let id = |id| place.raw.id(id);
        let values = format!("({}, {}, {})", id(project.0), id(user.0), id(role.0));
        place
            .raw
            .run(&format!("INSERT INTO user_roles (project_id, user_id, role_id) VALUES {values}"))
            .await
    };
    for (project, user, role) in [
        (one, mine, their_role),
        (one, theirs, role),
        (other, mine, their_role),
        (other, theirs, role),
    ] {
        let refused = insert(project, user, role).await.expect_err("refused");
        let refused = refused.as_database_error().expect("by the engine");
        assert!(refused.is_foreign_key_violation(), "{refused}");
    }
    assert_eq!(place.raw.count("user_roles").await, 2);
}

async fn rows_of_no_project_are_refused(which: Stores) {
    let place = open(which).await;
    let nobody = ProjectId::fresh(start());
    let user = place
        .store
        .create_user(nobody, UserId::fresh(start()), "a@example.com", "A", start())
        .await;
    assert!(matches!(user, Err(StoreError::NotFound(_))), "{user:?}");
    let role =
        place.store.create_role(nobody, RoleId::fresh(start()), "on_call", &[], start()).await;
    assert!(matches!(role, Err(StoreError::NotFound(_))), "{role:?}");
    let rule =
        place.store.create_rule(nobody, &crate::support::rule("R", "true", None), start()).await;
    assert!(matches!(rule, Err(StoreError::NotFound(_))), "{rule:?}");
    let source = place.store.rule_source(nobody).await;
    assert!(matches!(source, Err(StoreError::NotFound(_))), "{source:?}");
}

async fn names_are_told_apart_byte_by_byte(which: Stores) {
    let place = open(which).await;
    let slugs = ["acme", "Acme", "acme ", "acm\u{e9}", "acme\u{301}"];
    let mut ids = Vec::new();
    for slug in slugs {
        ids.push(project(&place.store, slug).await);
    }
    for (slug, id) in slugs.iter().zip(&ids) {
        let found = place.store.project_by_slug(slug).await.expect("answers").expect("is there");
        assert_eq!((found.id, found.slug.as_str()), (*id, *slug));
    }
    assert!(place.store.project_by_slug("ACME").await.expect("answers").is_none());
}
