//! Account mails: none is lost, whoever dies, and none says anything once it is sent.

use std::sync::Arc;
use std::time::Duration;

use bellbuoy::roles::Roles;
use bellbuoy_harness::{Account, Pair, TestApp, on_pairs};
use domain::delivery::{Attempt, DeliveryState, Next, Outcome};
use domain::id::ProjectId;
use domain::mail::MailKind;
use domain::reason::Reason;
use serde_json::json;
use store::deliveries::{Claimed, Content, Settled, Worked};
use store::due::Open;
use store::evaluations::ClaimTerms;
use store::mails::KeptMail;

use crate::scene::*;

on_pairs! {
    a_worker_that_dies_costs_no_mail
    a_mailbox_that_is_away_is_tried_again
    a_mail_that_nobody_takes_is_given_up
    mails_are_empty_once_they_are_sent_and_forgotten_later
}

async fn forgot(app: &TestApp) {
    let body = json!({ "project": "acme", "email": ADMIN });
    assert_eq!(post(app, "/auth/forgot-password", body).await.0, 202);
}

async fn kept(app: &TestApp, project: ProjectId) -> Vec<KeptMail> {
    app.app.store.mails(project).await.expect("answers")
}

/// Takes what is due as a worker does that dies right after.
async fn take(app: &TestApp, project: ProjectId) -> Vec<Claimed> {
    let now = app.app.clock.now();
    let open = Open { deliveries: true, ticks: false };
    let claim = app.app.config.delivery.claim;
    let terms = ClaimTerms {
        token: domain::id::fresh(now),
        until: now.plus(claim),
        limit: 10,
        planned_at: now,
    };
    app.app.store.take_due(project, open, terms, 7, now).await.expect("takes").deliveries
}

async fn a_worker_that_dies_costs_no_mail(pair: Pair) {
    // Nobody works yet.
    let app = start_with(pair, Roles { api: true, ..Roles::none() }, |_| {}).await;
    let project = acme(&app).await.project;
    forgot(&app).await;
    let waiting = kept(&app, project).await;
    assert_eq!(waiting.len(), 1);
    assert_eq!((waiting[0].state, waiting[0].attempts), (DeliveryState::Planned, 0));

    // One that dies before it hands the mail over.
    assert_eq!(take(&app, project).await.len(), 1);
    assert_eq!(take(&app, project).await.len(), 0, "it is held");
    app.advance(Duration::from_secs(26));
    // One that dies after it did, before that is recorded.
    let again = take(&app, project).await;
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].number, 2);
    let Content::Mail(mail) = &again[0].content else { panic!("no mail: {again:?}") };
    let message = app.app.sessions.mails.open(project, mail, 2).expect("opens");
    let bytes = message.bytes();
    std::fs::create_dir_all(mailbox(&app)).expect("a folder");
    let place = mailbox(&app).join(format!("{}.eml", message.id.simple()));
    std::fs::write(place, &bytes).expect("writes");

    // The clock moves before anybody works: a jump in the middle of an attempt would end it.
    app.advance(Duration::from_secs(26));
    let app = app.restart(Roles::all()).await;
    assert_eq!(letters(&app).await.len(), 1, "the same file, written again");
    assert_eq!(read_only(&app), bytes);
    let sent = kept(&app, project).await;
    assert_eq!(
        (sent[0].state, sent[0].attempts, sent[0].has_content),
        (DeliveryState::Sent, 3, false)
    );

    // The one that was slow and wakes up now changes nothing.
    let late = Settled {
        project,
        id: again[0].id,
        token: again[0].token,
        mail: Some(mail.id),
        number: 2,
        attempt: Attempt::ended(Outcome::Permanent, Some(Reason::Refused), None),
        next: Next::Dead(Reason::Refused),
    };
    let work = Arc::new(Worked { settled: vec![late], ..Worked::default() });
    app.app.store.record_attempts(work, app.app.clock.now()).await.expect("answers");
    assert_eq!(kept(&app, project).await, sent);
    app.stop().await;
}

fn read_only(app: &TestApp) -> Vec<u8> {
    let mut files = std::fs::read_dir(mailbox(app)).expect("a folder");
    let file = files.next().expect("a mail").expect("a file");
    assert!(files.next().is_none(), "one alone");
    std::fs::read(file.path()).expect("reads")
}

async fn a_mailbox_that_is_away_is_tried_again(pair: Pair) {
    let app = start(pair).await;
    let project = acme(&app).await.project;
    let folder = mailbox(&app);
    std::fs::write(&folder, "no folder").expect("a file stands in the way");
    forgot(&app).await;
    app.run_until_idle().await;
    let waiting = kept(&app, project).await;
    assert_eq!((waiting[0].state, waiting[0].attempts), (DeliveryState::Retrying, 1));
    assert!(waiting[0].has_content);
    assert!(waiting[0].detail.as_deref().is_some_and(|why| why.contains("mailbox")), "{waiting:?}");
    std::fs::remove_file(&folder).expect("it goes");
    app.advance(Duration::from_secs(7));
    assert_eq!(last(&app, ADMIN).await.subject, "A new password for acme");
    let sent = kept(&app, project).await;
    assert_eq!((sent[0].state, sent[0].attempts), (DeliveryState::Sent, 2));
    app.stop().await;
}

async fn a_mail_that_nobody_takes_is_given_up(pair: Pair) {
    let app = start_with(pair, Roles::all(), |config| {
        config.delivery.backoff = vec![Duration::from_secs(5)];
    })
    .await;
    let project = acme(&app).await.project;
    std::fs::write(mailbox(&app), "no folder").expect("a file stands in the way");
    forgot(&app).await;
    app.run_until_idle().await;
    app.advance(Duration::from_secs(7));
    app.run_until_idle().await;
    let dead = kept(&app, project).await;
    assert_eq!(
        (dead[0].state, dead[0].attempts, dead[0].has_content),
        (DeliveryState::Dead, 2, false)
    );
    assert!(dead[0].detail.as_deref().is_some_and(|why| why.contains("mailbox")), "{dead:?}");
    app.advance(Duration::from_secs(60));
    app.run_until_idle().await;
    assert_eq!(kept(&app, project).await, dead);
    app.stop().await;
}

async fn mails_are_empty_once_they_are_sent_and_forgotten_later(pair: Pair) {
    let app = start(pair).await;
    let admin = acme(&app).await;
    let project = admin.project;
    register(&app, "cleo@example.com").await;
    forgot(&app).await;
    assert_eq!(letters(&app).await.len(), 2);
    let sent = kept(&app, project).await;
    assert_eq!(
        sent.iter().map(|one| one.kind).collect::<Vec<_>>(),
        [MailKind::Registration, MailKind::PasswordReset]
    );
    assert!(
        sent.iter().all(|one| one.state == DeliveryState::Sent && !one.has_content),
        "{sent:?}"
    );
    let id = waiting(&app, "three@example.com").await;
    assert_eq!(admin.post(&format!("/users/{id}/approve"), &json!({})).await.0, 200);
    assert_eq!(letters(&app).await.len(), 4);
    assert_eq!(admin.delete(&format!("/users/{id}")).await.0, 204);
    assert_eq!(kept(&app, project).await.len(), 3, "mails go with their account");

    let later = app.app.clock.now().plus(Duration::from_secs(40 * 86_400));
    let store = &app.app.store;
    assert_eq!(store.forget_mails(later, 10).await.expect("forgets"), 3);
    assert_eq!(store.forget_registrations(later, 10).await.expect("forgets"), 1);
    assert_eq!(store.forget_tokens(later, 10).await.expect("forgets"), 1);
    assert_eq!(store.forget_invitations(later, 10).await.expect("forgets"), 0);
    assert_eq!(kept(&app, project).await.len(), 0);
    let _ = Account::log_in(&app, "acme", ADMIN).await;
    app.stop().await;
}
