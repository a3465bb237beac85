//! Rules and what they name: versions, roles, people, endpoints, all as of an epoch.

use std::collections::BTreeMap;

use bellbuoy_harness::{Stores, on_every_store};
use domain::id::{EndpointId, ProjectId, RoleId, RuleId, UserId};
use domain::project::ProjectStatus;
use domain::rule::{Rule, RuleMode, Suppression};
use domain::ruleset::RuleSet;
use store::rules::SealedEndpoint;
use store::{Store, StoreError};

use crate::support::{
    at, create_endpoint, done, evaluating, keep, open, payment, project, rule, rule_set, start,
    tenant, terms,
};

on_every_store! {
    a_rule_is_read_as_it_was_written
    a_change_makes_the_next_version
    the_rules_of_any_epoch_are_told
    concurrent_changes_make_a_version_each
    names_are_taken_once_in_a_project
    people_are_told_by_role
    endpoints_are_kept_and_moved
    every_change_counts_the_epoch_up
}

async fn epoch(store: &Store, project: ProjectId) -> i64 {
    store.rule_source(project).await.expect("rules").epoch
}

async fn a_rule_is_read_as_it_was_written(which: Stores) {
    let place = open(which).await;
    let project = project(&place.store, "acme").await;
    let mut wanted = rule("Ünï \"quoted\" 名", r#"event.payload["a b"] == "x\\y""#, None);
    wanted.body.suppression = Some(Suppression::new(7, 3600));
    wanted.body.target_users = vec![UserId::fresh(start())];
    wanted.body.group_by = vec!["event.source".to_owned(), "event.payload.a".to_owned()];
    place.store.create_rule(project, &wanted, start()).await.expect("a rule");
    let source = place.store.rule_source(project).await.expect("rules");
    assert_eq!((source.status, source.rules.len()), (ProjectStatus::Active, 1));
    let found = &source.rules[0];
    assert_eq!(
        (found.id, found.version, found.mode, &found.body),
        (wanted.id, 1, RuleMode::Live, &wanted.body)
    );
}

async fn a_change_makes_the_next_version(which: Stores) {
    let place = open(which).await;
    let project_id = project(&place.store, "acme").await;
    let stranger = project(&place.store, "stranger").await;
    let mut mine = rule("One", "true", None);
    place.store.create_rule(project_id, &mine, start()).await.expect("a rule");
    mine.body.condition = "false".to_owned();
    let stolen = place.store.change_rule(stranger, &mine, start()).await;
    assert!(matches!(stolen, Err(StoreError::NotFound(_))), "{stolen:?}");
    // The number that the caller has in mind does not matter.
    mine.version = 77;
    assert_eq!(place.store.change_rule(project_id, &mine, start()).await.expect("changes"), 2);
    let source = place.store.rule_source(project_id).await.expect("rules");
    assert_eq!((source.rules[0].version, source.rules[0].body.condition.as_str()), (2, "false"));
    mine.mode = RuleMode::Off;
    assert_eq!(place.store.change_rule(project_id, &mine, start()).await.expect("changes"), 3);
    assert!(place.store.rule_source(project_id).await.expect("rules").rules.is_empty());
    mine.mode = RuleMode::Live;
    assert_eq!(place.store.change_rule(project_id, &mine, start()).await.expect("changes"), 4);
    assert_eq!(place.store.rule_source(project_id).await.expect("rules").rules[0].version, 4);
    assert_eq!(place.store.rule_source(stranger).await.expect("rules").epoch, 1);
}

type Change<'a> = &'a dyn Fn(&mut Vec<Rule>);

async fn the_rules_of_any_epoch_are_told(which: Stores) {
    let place = open(which).await;
    let tenant = tenant(&place.store, "acme", 1, None).await;
    let project = tenant.project;
    let second = rule("Second", "true", None);
    // After each of these an event is evaluated, and its trace must name the rules as they were then.
    let changes: [Change<'_>; 6] = [
        &|_| {},
        &|rules| rules.push(second.clone()),
        &|rules| rules[0].body.condition = "event.type == \"payment\" && true".to_owned(),
        &|rules| rules[1].mode = RuleMode::Off,
        &|rules| rules[0].mode = RuleMode::Off,
        &|rules| rules[1].mode = RuleMode::Live,
    ];
    let mut rules = vec![tenant.rule.clone()];
    let mut wanted = Vec::new();
    for change in changes {
        let before = rules.clone();
        change(&mut rules);
        for (at_place, now) in rules.iter_mut().enumerate() {
            match before.get(at_place) {
                None => place.store.create_rule(project, now, start()).await.expect("a rule"),
                Some(old) if old.body != now.body || old.mode != now.mode => {
                    now.version =
                        place.store.change_rule(project, now, start()).await.expect("changes");
                }
                Some(_) => {}
            }
        }
        let event = payment(wanted.len());
        keep(&place.store, project, std::slice::from_ref(&event)).await;
        let batch = evaluating(
            &rule_set(&place.store, project).await,
            std::slice::from_ref(&event),
            terms(9, start()),
        );
        done(place.store.record_evaluation(project, batch, start()).await.expect("records"));
        let active = rules.iter().filter(|rule| rule.mode != RuleMode::Off);
        let as_they_are: BTreeMap<RuleId, (i64, String)> =
            active.map(|rule| (rule.id, (rule.version, rule.body.condition.clone()))).collect();
        wanted.push((event.id, as_they_are));
    }
    for (event, wanted) in wanted {
        let trace = place.store.trace(project, event).await.expect("a trace");
        let told =
            trace.rules.into_iter().map(|rule| (rule.id, (rule.version, rule.body.condition)));
        assert_eq!(told.collect::<BTreeMap<_, _>>(), wanted);
    }
}

async fn concurrent_changes_make_a_version_each(which: Stores) {
    let place = open(which).await;
    let project = project(&place.store, "acme").await;
    let mine = rule("One", "true", None);
    place.store.create_rule(project, &mine, start()).await.expect("a rule");
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let (store, mine) = (place.store.clone(), mine.clone());
        tasks.push(tokio::spawn(async move {
            store.change_rule(project, &mine, start()).await.expect("changes")
        }));
    }
    let mut versions = Vec::new();
    for task in tasks {
        versions.push(task.await.expect("no panic"));
    }
    versions.sort_unstable();
    assert_eq!(versions, (2..=9).collect::<Vec<_>>());
    assert_eq!(epoch(&place.store, project).await, 10);
    assert_eq!(place.raw.count("rule_versions WHERE until_epoch IS NULL").await, 1);
    assert_eq!(place.raw.count("rule_versions WHERE until_epoch = since_epoch + 1").await, 8);
}

async fn names_are_taken_once_in_a_project(which: Stores) {
    let place = open(which).await;
    let (one, other) = (project(&place.store, "one").await, project(&place.store, "other").await);
    let first = rule("Same", "true", None);
    place.store.create_rule(one, &first, start()).await.expect("a rule");
    let twin = place.store.create_rule(one, &rule("Same", "false", None), start()).await;
    assert!(matches!(twin, Err(StoreError::Conflict(_))), "{twin:?}");
    assert_eq!(epoch(&place.store, one).await, 2, "nothing changed");
    place.store.create_rule(other, &rule("Same", "true", None), start()).await.expect("elsewhere");
    let mut second = rule("same", "true", None);
    place.store.create_rule(one, &second, start()).await.expect("case matters");
    second.body.name = "Same".to_owned();
    let renamed = place.store.change_rule(one, &second, start()).await;
    assert!(matches!(renamed, Err(StoreError::Conflict(_))), "{renamed:?}");
    assert_eq!(place.raw.count("rule_versions").await, 3);
    let user = |id| place.store.create_user(one, id, "a@example.com", "A", start());
    user(UserId::fresh(start())).await.expect("a user");
    assert!(matches!(user(UserId::fresh(start())).await, Err(StoreError::Conflict(_))));
    let role = |id| place.store.create_role(one, id, "on_call", &[], start());
    role(RoleId::fresh(start())).await.expect("a role");
    assert!(matches!(role(RoleId::fresh(start())).await, Err(StoreError::Conflict(_))));
}

async fn people_are_told_by_role(which: Stores) {
    let place = open(which).await;
    let project = project(&place.store, "acme").await;
    let users: Vec<UserId> = (0..4).map(|_| UserId::fresh(start())).collect();
    for (number, user) in users.iter().enumerate() {
        let email = format!("{number}@example.com");
        place.store.create_user(project, *user, &email, "A", start()).await.expect("a user");
    }
    for (name, members) in [("first", &users[..2]), ("second", &users[1..3]), ("empty", &[])] {
        let id = RoleId::fresh(start());
        place.store.create_role(project, id, name, members, start()).await.expect("a role");
    }
    let mut mine = rule("One", "true", None);
    mine.body.target_roles = ["first", "second", "empty", "gone"].map(str::to_owned).to_vec();
    mine.body.target_users = vec![users[1], UserId::fresh(start())];
    place.store.create_rule(project, &mine, start()).await.expect("a rule");
    let set = rule_set(&place.store, project).await;
    let told = |set: &RuleSet| -> Vec<(UserId, Option<String>)> {
        let each = set.recipients(set.rule(0), &[]).into_iter();
        each.map(|one| (one.user, one.role.as_deref().map(str::to_owned))).collect()
    };
    let by = |role: &str| Some(role.to_owned());
    // Who is named is told as such, the others through the first of their roles.
    let all = [(users[0], by("first")), (users[1], None), (users[2], by("second"))];
    assert_eq!(told(&set), all);
    // Who is not active is told nothing, by no role.
    let leave = format!("UPDATE users SET status = 2 WHERE id = {}", place.raw.id(users[1].0));
    assert_eq!(place.raw.run(&leave).await.expect("leaves"), 1);
    let set = rule_set(&place.store, project).await;
    assert_eq!(told(&set), [all[0].clone(), all[2].clone()]);
}

async fn endpoints_are_kept_and_moved(which: Stores) {
    let place = open(which).await;
    let project_id = project(&place.store, "acme").await;
    let stranger = project(&place.store, "stranger").await;
    let id = EndpointId::fresh(start());
    let secret: Vec<u8> = (0..=255).collect();
    let mine = SealedEndpoint::new(id, "sink", "https://example.com/ü?a=b".into(), secret);
    place.store.create_endpoint(project_id, &mine, start()).await.expect("an endpoint");
    let twin = SealedEndpoint { id: EndpointId::fresh(start()), ..mine.clone() };
    let twin = place.store.create_endpoint(project_id, &twin, start()).await;
    assert!(matches!(twin, Err(StoreError::Conflict(_))), "{twin:?}");
    create_endpoint(&place.store, stranger, "sink").await;
    let found = place.store.rule_source(project_id).await.expect("rules").endpoints;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].id, &found[0].name), (id, &mine.name));
    assert_eq!((&found[0].url, &found[0].secret), (&mine.url, &mine.secret));
    let stolen = place.store.move_endpoint(stranger, id, "https://evil.example", start()).await;
    assert!(matches!(stolen, Err(StoreError::NotFound(_))), "{stolen:?}");
    place.store.move_endpoint(project_id, id, "https://new.example", at(5)).await.expect("moves");
    let found = place.store.rule_source(project_id).await.expect("rules").endpoints;
    assert_eq!(found[0].url, "https://new.example");
}

async fn every_change_counts_the_epoch_up(which: Stores) {
    let place = open(which).await;
    let store = &place.store;
    let project = project(store, "acme").await;
    let mut wanted = 1;
    let mut counted = async || {
        wanted += 1;
        assert_eq!(epoch(store, project).await, wanted);
    };
    let user = UserId::fresh(start());
    store.create_user(project, user, "a@example.com", "A", start()).await.expect("a user");
    counted().await;
    store
        .create_role(project, RoleId::fresh(start()), "on_call", &[user], start())
        .await
        .expect("a role");
    counted().await;
    let endpoint = create_endpoint(store, project, "sink").await;
    counted().await;
    store.move_endpoint(project, endpoint, "https://new.example", start()).await.expect("moves");
    counted().await;
    let rule = rule("One", "true", None);
    store.create_rule(project, &rule, start()).await.expect("a rule");
    counted().await;
    store.change_rule(project, &rule, start()).await.expect("changes");
    counted().await;
    store.set_project_status(project, ProjectStatus::Active, None, start()).await.expect("changes");
    counted().await;
}
