//! The audit log: every row gets its place, whoever changes one behind the product's back is found out, and forgetting
//! leaves the chain whole.

use bellbuoy_harness::{Stores, on_every_store};
use crypto::seal::Sealer;
use domain::audit::{Actor, AuditAction, Broken, Flaw};
use domain::clock::{Clock, ManualClock};
use domain::id::{KeyId, ProjectId, UserId};
use serde_json::json;
use services::audit::{Audit, AuditedAction, Initiator, Origin};
use store::Store;
use store::audit::AuditFilter;
use uuid::Uuid;

use crate::support::{Place, another, at, open, project, start};

on_every_store! {
    every_row_gets_its_place_once
    a_row_that_commits_late_comes_later_in_the_chain
    two_sealers_make_one_chain
    whatever_is_tampered_with_is_named
    what_was_kept_long_enough_is_forgotten_and_the_chain_goes_on
    what_is_broken_is_not_forgotten
    a_forged_checkpoint_is_found_out
    a_person_is_forgotten_and_the_chain_stays_whole
    a_list_shows_what_was_asked_for
}

fn audit_of(store: &Store, clock: &ManualClock) -> Audit {
    let sealer = Sealer::with_key([7; 32]).expect("a key");
    Audit::new(store.clone(), sealer, Clock::Manual(clock.clone()), 100)
}

struct Log {
    place: Place,
    project: ProjectId,
    audit: Audit,
    clock: ManualClock,
}

impl Log {
    async fn open(which: Stores) -> Self {
        let place = open(which).await;
        let project = project(&place.store, "acme").await;
        let clock = ManualClock::at(start());
        Self { audit: audit_of(&place.store, &clock), place, project, clock }
    }

    /// Writes down that keys were made, a second after another.
    async fn write(&self, rows: usize) {
        for number in 0..rows {
            self.clock.advance(std::time::Duration::from_secs(1));
            let after =
                json!({ "name": format!("Schlüssel {number}"), "scopes": ["read"], "n": number });
            let audited = AuditedAction {
                after: Some(after),
                ..AuditedAction::new(AuditAction::KeyCreate, Uuid::from_u128(number as u128))
            };
            note(
                &self.audit,
                &self.place.store,
                self.project,
                &Initiator::system(),
                audited,
                &self.clock,
            )
            .await;
        }
    }

    async fn sealed(which: Stores, rows: usize) -> Self {
        let log = Self::open(which).await;
        log.write(rows).await;
        assert_eq!(log.audit.seal_all().await.expect("seals"), rows as u64);
        log
    }

    async fn broken(&self) -> Option<Broken> {
        self.audit.verify(self.project, None, 1000).await.expect("verifies").broken
    }

    /// The row at a place.
    async fn row(&self, seq: i64) -> Uuid {
        let links = self.place.store.audit_links(self.project, seq - 1, 1).await.expect("answers");
        links[0].id
    }
}

async fn note(
    audit: &Audit,
    store: &Store,
    project: ProjectId,
    initiator: &Initiator,
    audited: AuditedAction,
    clock: &ManualClock,
) {
    let entry = audit.entry(project, initiator, audited).await.expect("an entry");
    store.note(project, &entry, Clock::Manual(clock.clone()).now()).await.expect("writes");
}

async fn every_row_gets_its_place_once(which: Stores) {
    let log = Log::open(which).await;
    let other = project(&log.place.store, "other").await;
    log.write(7).await;
    note(
        &log.audit,
        &log.place.store,
        other,
        &Initiator::system(),
        AuditedAction::new(AuditAction::ProjectUpdate, other.0),
        &log.clock,
    )
    .await;
    let oldest = log.place.store.unsealed_audit().await.expect("answers");
    assert!(oldest.contains(&(log.project, at(1))), "{oldest:?}");
    let waiting = log.audit.verify(log.project, None, 1000).await.expect("verifies");
    assert_eq!((waiting.checked, waiting.unsealed, waiting.broken), (0, 7, None));

    // In steps that are smaller than what there is.
    for (rows, seq) in [(3, 3), (3, 6), (1, 7), (0, 7)] {
        let sealed = log.place.store.seal_audit(log.project, 3).await.expect("seals");
        assert_eq!((sealed.rows, sealed.head.seq), (rows, seq));
    }
    assert_eq!(log.audit.seal_all().await.expect("seals"), 1);
    assert_eq!(log.place.store.unsealed_audit().await.expect("answers"), []);
    for (project, rows) in [(log.project, 7), (other, 1)] {
        let verdict = log.audit.verify(project, None, 1000).await.expect("verifies");
        assert_eq!((verdict.checked, verdict.broken, verdict.more), (rows, None, false));
        assert_eq!(log.place.store.audit_head(project).await.expect("answers"), Some(verdict.head));
    }
    // In parts: each goes on where the one before ended.
    let part = log.audit.verify(log.project, None, 4).await.expect("verifies");
    assert_eq!((part.checked, part.head.seq, part.more), (4, 4, true));
    let rest = log.audit.verify(log.project, Some(4), 4).await.expect("verifies");
    assert_eq!((rest.checked, rest.head.seq, rest.more, rest.broken), (3, 7, false, None));
    let beyond = log.audit.verify(log.project, Some(9), 4).await.expect("verifies");
    assert_eq!(beyond.broken.map(|one| (one.seq, one.flaw)), Some((9, Flaw::Missing)));
}

async fn a_row_that_commits_late_comes_later_in_the_chain(which: Stores) {
    let log = Log::sealed(which, 3).await;
    let early = ManualClock::at(start());
    let audited = AuditedAction::new(AuditAction::KeyRevoke, Uuid::from_u128(99));
    note(&log.audit, &log.place.store, log.project, &Initiator::system(), audited, &early).await;
    assert_eq!(log.audit.seal_all().await.expect("seals"), 1);
    assert_eq!(log.broken().await, None);
    let late = log.place.store.audit_links(log.project, 3, 9).await.expect("answers");
    let row = late[0].row.as_ref().expect("is there");
    assert_eq!((late.len(), late[0].link.seq, row.at), (1, 4, start()));
    assert!(row.id < log.row(1).await);
}

async fn two_sealers_make_one_chain(which: Stores) {
    let log = Log::open(which).await;
    let store = another(&log.place.ground).await;
    let others: Vec<Audit> = (0..4)
        .map(|number| audit_of(if number % 2 == 0 { &log.place.store } else { &store }, &log.clock))
        .collect();
    let mut sealed = 0;
    for _ in 0..5 {
        log.write(20).await;
        let all = others.iter().map(|one| async {
            // One that lost too often tries again at its next tick.
            one.seal_all().await.unwrap_or(0)
        });
        sealed += futures_util::future::join_all(all).await.into_iter().sum::<u64>();
    }
    sealed += log.audit.seal_all().await.expect("seals");
    assert_eq!(sealed, 100);
    let verdict = log.audit.verify(log.project, None, 1000).await.expect("verifies");
    assert_eq!((verdict.checked, verdict.head.seq, verdict.broken), (100, 100, None));
    assert_eq!((verdict.unsealed, log.place.raw.count("audit_chain").await), (0, 100));
}

async fn whatever_is_tampered_with_is_named(which: Stores) {
    for (flaw, seq, text) in [
        (Flaw::Changed, 3, "UPDATE audit SET action = 'key.revoke' WHERE id = {row}"),
        (Flaw::Changed, 3, "UPDATE audit SET actor_kind = 'key' WHERE id = {row}"),
        (Flaw::Changed, 3, "UPDATE audit SET after_change = '{\"name\":\"x\"}' WHERE id = {row}"),
        (Flaw::Changed, 3, "UPDATE audit SET after_change = NULL WHERE id = {row}"),
        (Flaw::Changed, 3, "UPDATE audit SET correlation_id = '' WHERE id = {row}"),
        (Flaw::Changed, 3, "UPDATE audit_chain SET hash = {zeros} WHERE seq = 3"),
        (Flaw::Missing, 3, "DELETE FROM audit WHERE id = {row}"),
        (Flaw::Missing, 3, "DELETE FROM audit_chain WHERE seq = 3"),
        (Flaw::Missing, 1, "DELETE FROM audit_chain WHERE seq = 1"),
        // A row has one place, so that two change theirs by way of a third.
        (
            Flaw::OutOfOrder,
            3,
            "UPDATE audit_chain SET audit_id = {new} WHERE seq = 5;
             UPDATE audit_chain SET audit_id = {fifth} WHERE seq = 3;
             UPDATE audit_chain SET audit_id = {row} WHERE seq = 5",
        ),
        (Flaw::Stray, 5, "DELETE FROM audit_chain WHERE seq > 4"),
        (
            Flaw::Stray,
            6,
            "INSERT INTO audit (project_id, id, at, actor_kind, actor_id, action, resource_id, subject_id)
             SELECT project_id, {new}, at, actor_kind, actor_id, action, resource_id, subject_id
             FROM audit WHERE id = {row}",
        ),
    ] {
        let log = Log::sealed(which, 5).await;
        let raw = &log.place.raw;
        let zeros = match which {
            Stores::Sqlite => "zeroblob(32)",
            Stores::Postgres => "decode(repeat('00', 32), 'hex')",
            Stores::Mariadb => "UNHEX(REPEAT('00', 32))",
        };
        let text = text
            .replace("{row}", &raw.id(log.row(3).await))
            .replace("{fifth}", &raw.id(log.row(5).await))
            .replace("{new}", &raw.id(Uuid::from_u128(77)))
            .replace("{zeros}", zeros);
        let row = log.row(3).await;
        for one in text.split(';') {
            assert!(raw.run(one).await.expect(one) > 0, "{one}");
        }
        let broken = log.broken().await.unwrap_or_else(|| panic!("nobody noticed {text}"));
        assert_eq!((broken.seq, broken.flaw), (seq, flaw), "{text}");
        if seq == 3 && flaw == Flaw::Changed {
            assert_eq!(broken.id, Some(row), "{text}");
        }
    }
    if which == Stores::Sqlite {
        let log = Log::sealed(which, 5).await;
        let text = "UPDATE audit SET after_change = 'nonsense'";
        let row = log.place.raw.id(log.row(4).await);
        log.place.raw.run(&format!("{text} WHERE id = {row}")).await.expect("changes");
        let broken = log.broken().await.expect("is noticed");
        assert_eq!((broken.seq, broken.flaw), (4, Flaw::Changed), "one that can't be read");
    }
}

async fn what_was_kept_long_enough_is_forgotten_and_the_chain_goes_on(which: Stores) {
    let log = Log::sealed(which, 6).await;
    let before = log.broken().await;
    assert_eq!((before, log.place.raw.count("audit_checkpoints").await), (None, 0));
    let none = log.audit.forget_before(at(1)).await.expect("forgets");
    assert_eq!((none.rows, none.broken), (0, vec![]));
    let some = log.audit.forget_before(at(5)).await.expect("forgets");
    assert_eq!((some.rows, some.broken), (4, vec![]));
    assert_eq!(
        (log.place.raw.count("audit").await, log.place.raw.count("audit_chain").await),
        (2, 2)
    );
    let verdict = log.audit.verify(log.project, None, 1000).await.expect("verifies");
    assert_eq!((verdict.checked, verdict.head.seq, verdict.broken), (2, 6, None));
    assert_eq!(verdict.checkpoint.expect("is there").link.seq, 4);

    // What is not sealed yet is not forgotten; and after everything is gone, the numbers go on.
    log.write(1).await;
    assert_eq!(log.audit.forget_before(at(1000)).await.expect("forgets").rows, 2);
    assert_eq!(log.place.raw.count("audit").await, 1);
    assert_eq!(log.audit.seal_all().await.expect("seals"), 1);
    let verdict = log.audit.verify(log.project, None, 1000).await.expect("verifies");
    assert_eq!((verdict.checked, verdict.head.seq, verdict.broken), (1, 7, None));
    assert_eq!(log.place.raw.count("audit_checkpoints").await, 1);
}

async fn what_is_broken_is_not_forgotten(which: Stores) {
    let log = Log::sealed(which, 6).await;
    let row = log.place.raw.id(log.row(3).await);
    log.place.raw.run(&format!("DELETE FROM audit WHERE id = {row}")).await.expect("deletes");
    let done = log.audit.forget_before(at(1000)).await.expect("forgets");
    let broken = Broken { seq: 3, id: Some(log.row(3).await), flaw: Flaw::Missing };
    assert_eq!((done.rows, done.broken), (2, vec![(log.project, broken)]));
    assert_eq!(log.broken().await, Some(broken));
    assert_eq!(log.place.raw.count("audit_chain").await, 4);
}

async fn a_forged_checkpoint_is_found_out(which: Stores) {
    let log = Log::sealed(which, 6).await;
    assert_eq!(log.audit.forget_before(at(3)).await.expect("forgets").rows, 2);
    // Somebody removes more, and moves the checkpoint to cover it.
    let (raw, third) = (&log.place.raw, log.row(3).await);
    raw.run(&format!("DELETE FROM audit WHERE id = {}", raw.id(third))).await.expect("deletes");
    raw.run(
        "UPDATE audit_checkpoints SET seq = 3, hash = (SELECT hash FROM audit_chain WHERE seq = 3)",
    )
    .await
    .expect("forges");
    raw.run("DELETE FROM audit_chain WHERE seq = 3").await.expect("deletes");
    let flaw = |broken: Option<Broken>| broken.map(|one| (one.seq, one.flaw));
    assert_eq!(flaw(log.broken().await), Some((3, Flaw::Checkpoint)));
    assert_eq!(log.audit.forget_before(at(1000)).await.expect("forgets").rows, 0);
    raw.run("DELETE FROM audit_checkpoints").await.expect("deletes");
    assert_eq!(flaw(log.broken().await), Some((1, Flaw::Missing)));
}

async fn a_person_is_forgotten_and_the_chain_stays_whole(which: Stores) {
    let log = Log::open(which).await;
    let (store, other) = (&log.place.store, project(&log.place.store, "other").await);
    let (ana, ben) = (UserId(Uuid::from_u128(10)), UserId(Uuid::from_u128(11)));
    let initiator = |user: UserId| Initiator {
        actor: Actor::User(user),
        origin: Origin {
            address: Some(std::net::IpAddr::from([192, 0, 2, 7])),
            user_agent: Some("Anas Browser".to_owned()),
        },
        home: None,
        correlation: None,
        once: None,
        requester: None,
    };
    for of in [log.project, other] {
        for (user, email) in [(ana, "ana@example.com"), (ben, "ben@example.com")] {
            let audited = AuditedAction {
                personal: Some((user, json!({ "email": email }))),
                ..AuditedAction::new(AuditAction::UserCreate, user.0)
            };
            note(&log.audit, store, of, &initiator(ana), audited, &log.clock).await;
        }
    }
    log.audit.seal_all().await.expect("seals");
    let shown = async |of| {
        let rows = log.audit.list(of, AuditFilter::default(), None, 10).await.expect("lists");
        let one = |user: UserId| {
            let row = rows.iter().find(|one| one.row.subject == user.0).expect("is there");
            (row.personal.is_some(), row.origin.is_some())
        };
        (one(ana), one(ben))
    };
    assert_eq!(shown(other).await, ((true, true), (true, true)));
    for text in ["ana@example.com", "Anas Browser", "192.0.2.7"] {
        for column in ["personal", "origin", "before_change", "after_change"] {
            let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
            let (plain, sealed) = match (&log.place.raw, column) {
                (crate::support::Raw::Mysql(_), "before_change" | "after_change") => {
                    (format!("CAST({column} AS char)"), text.to_owned())
                }
                (_, "before_change" | "after_change") => {
                    (format!("CAST({column} AS text)"), text.to_owned())
                }
                (crate::support::Raw::Sqlite(_) | crate::support::Raw::Mysql(_), _) => {
                    (format!("lower(hex({column}))"), hex)
                }
                (crate::support::Raw::Postgres(_), _) => (format!("encode({column}, 'hex')"), hex),
            };
            let found =
                log.place.raw.count(&format!("audit WHERE {plain} LIKE '%{sealed}%'")).await;
            assert_eq!(found, 0, "{text} in {column}");
        }
    }

    assert_eq!(log.audit.forget_subject(ana).await.expect("forgets"), 2, "a key in each project");
    assert_eq!(log.audit.forget_subject(ana).await.expect("forgets"), 0);
    let strangers = UserId(Uuid::nil());
    assert_eq!(log.audit.forget_subject(strangers).await.expect("forgets nobody"), 0);
    for of in [log.project, other] {
        // All was done by her, so that where it came from is forgotten with her.
        assert_eq!(shown(of).await, ((false, false), (true, false)));
        let verdict = log.audit.verify(of, None, 100).await.expect("verifies");
        assert_eq!((verdict.checked, verdict.broken), (2, None));
    }
    let left = format!("subject_keys WHERE subject_id = {}", log.place.raw.id(ana.0));
    assert_eq!(log.place.raw.count(&left).await, 0, "reading makes no new key");
    // Another process that has the keys at hand reads nothing either.
    let elsewhere = audit_of(store, &log.clock);
    let rows = elsewhere.list(other, AuditFilter::default(), None, 10).await.expect("lists");
    assert!(rows.iter().all(|one| one.origin.is_none()));
}

async fn a_list_shows_what_was_asked_for(which: Stores) {
    let log = Log::open(which).await;
    let (store, other) = (&log.place.store, project(&log.place.store, "other").await);
    let (user, key) = (UserId(Uuid::from_u128(10)), KeyId(Uuid::from_u128(11)));
    let initiator = |actor| Initiator { actor, ..Initiator::system() };
    for (of, actor, action, resource) in [
        (log.project, Actor::System, AuditAction::ProjectCreate, 1),
        (log.project, Actor::User(user), AuditAction::KeyCreate, 2),
        (log.project, Actor::User(user), AuditAction::KeyRevoke, 2),
        (log.project, Actor::Key(key), AuditAction::UserCreate, 3),
        (other, Actor::User(user), AuditAction::KeyCreate, 2),
    ] {
        log.clock.advance(std::time::Duration::from_secs(1));
        let audited = AuditedAction::new(action, Uuid::from_u128(resource));
        note(&log.audit, store, of, &initiator(actor), audited, &log.clock).await;
    }
    let all = AuditFilter::default;
    let texts = |action: &str| Some(action.to_owned());
    for (filter, wanted) in [
        (all(), &["user.create", "key.revoke", "key.create", "project.create"][..]),
        (AuditFilter { from: Some(at(2)), ..all() }, &["user.create", "key.revoke", "key.create"]),
        (AuditFilter { to: Some(at(2)), ..all() }, &["project.create"]),
        (AuditFilter { from: Some(at(2)), to: Some(at(3)), ..all() }, &["key.create"]),
        (AuditFilter { actor: Some(user.0), ..all() }, &["key.revoke", "key.create"]),
        (AuditFilter { actor: Some(key.0), ..all() }, &["user.create"]),
        (AuditFilter { action: texts("key.create"), ..all() }, &["key.create"]),
        (AuditFilter { resource_type: texts("key"), ..all() }, &["key.revoke", "key.create"]),
        (AuditFilter { resource_type: texts("ke"), ..all() }, &[]),
        (AuditFilter { resource: Some(Uuid::from_u128(3)), ..all() }, &["user.create"]),
        (AuditFilter { resource: Some(Uuid::from_u128(2)), actor: Some(key.0), ..all() }, &[]),
    ] {
        let asked = format!("{filter:?}");
        let mut found = Vec::new();
        let mut before = None;
        // Page by page, each of one row.
        loop {
            let page =
                store.list_audit(log.project, filter.clone(), before, 1).await.expect("lists");
            let Some(row) = page.first() else { break };
            before = Some(row.id);
            found.push(row.action.clone());
        }
        assert_eq!(found, wanted, "{asked}");
    }
}
