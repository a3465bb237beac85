//! A request that was let in with a right does nothing once the right is taken: what it may do is read again by the
//! transaction that writes. Here a request stands still between the two, at its very worst.

use bellbuoy_harness::{Account, Pair, TestApp, on_pairs};
use config::MailUrl;
use domain::audit::Actor;
use domain::authority::{Need, Requester};
use domain::endpoint::EndpointBody;
use domain::event_type::{EventTypeBody, NewSchema, SchemaMode};
use domain::feature::Switched;
use domain::id::{EndpointId, KeyId, ProjectId, RoleId, RuleId, UserId};
use domain::key::Scope;
use domain::permission::{Action, Resource};
use domain::plan::Plan;
use domain::precondition::Precondition;
use domain::profile;
use domain::rule::{RuleBody, RuleMode};
use domain::settings::Settings;
use domain::user::UserStatus;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::json;
use services::admin::{AdminError, Invitee, KeyChange, NewInvitation, NewRole, Onboarding};
use services::admin::{NewVersion, ProjectChange, RoleChange};
use services::audit::Initiator;
use store::sessions::{Ended, Which};

use crate::scene::*;

on_pairs! {
    a_right_that_was_taken_meanwhile_is_not_used
    an_invitation_gives_what_its_maker_may_give_when_it_is_accepted
    roles_are_set_on_what_was_read
}

type Work<'s> = BoxFuture<'s, Result<(), AdminError>>;
/// A change: its name, the permissions that its operation needs, and how it is made.
type Change = (
    &'static str,
    &'static [(Resource, Action)],
    for<'s> fn(&'s Scene<'s>, &'s Initiator) -> Work<'s>,
);

/// How a right is taken.
#[derive(Clone, Copy, Debug)]
enum Taken {
    Role,
    Account,
    Session,
}

struct Scene<'a> {
    app: &'a TestApp,
    project: ProjectId,
    made: std::sync::atomic::AtomicUsize,
}

impl Scene<'_> {
    fn fresh(&self) -> String {
        format!("new-{}", self.made.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
    }

    /// An account without roles, created by the operator.
    async fn user(&self) -> UserId {
        let new = invitee(&self.fresh(), &[]);
        let made = self.app.app.admin.create_user(self.project, new, &Initiator::system()).await;
        made.expect("an account").0.id
    }

    async fn role(&self) -> RoleId {
        let new = new_role(self.fresh());
        let made = self.app.app.admin.create_role(self.project, new, &Initiator::system()).await;
        made.expect("a role").id
    }

    async fn key(&self) -> KeyId {
        let made =
            self.app.app.admin.create_key(self.project, new_key(), &Initiator::system()).await;
        made.unwrap_or_else(|error| panic!("{error}")).key.id
    }

    async fn rule(&self) -> RuleId {
        let body = RuleBody::new(self.fresh(), "true");
        let admin = &self.app.app.admin;
        let made = admin.create_rule(self.project, body, RuleMode::Off, &Initiator::system()).await;
        made.expect("a rule").rule.id
    }

    async fn event_type(&self) -> String {
        let (admin, system) = (&self.app.app.admin, Initiator::system());
        let (name, said) = (self.fresh(), event_type_body());
        let made = admin.create_event_type(self.project, name, said, schema("{}"), &system).await;
        made.expect("an event type").0.name
    }

    async fn endpoint(&self) -> EndpointId {
        let (admin, body) = (&self.app.app.admin, endpoint_body(self.fresh()));
        let made = admin.create_endpoint(self.project, body, false, &Initiator::system()).await;
        made.map(|made| made.endpoint.id).expect("an endpoint")
    }

    async fn tenant(&self) -> ProjectId {
        let made =
            self.app.app.admin.onboard(onboarding(&self.fresh()), &Initiator::system()).await;
        made.unwrap_or_else(|error| panic!("{error}")).project.id
    }
}

fn invitee(name: &str, roles: &[&str]) -> Invitee {
    Invitee {
        email: format!("{name}@example.com"),
        full_name: name.to_owned(),
        password: None,
        roles: roles.iter().map(ToString::to_string).collect(),
    }
}

fn new_role(name: String) -> NewRole {
    NewRole {
        name,
        description: String::new(),
        permissions: vec!["users:read".to_owned()],
        parent: None,
    }
}

fn endpoint_body(name: String) -> EndpointBody {
    EndpointBody { name, url: "http://127.0.0.1:9/".to_owned(), ..EndpointBody::default() }
}

fn event_type_body() -> EventTypeBody {
    EventTypeBody { description: String::new(), mode: SchemaMode::Warn }
}

fn schema(text: &str) -> NewSchema {
    NewSchema { schema: text.to_owned(), example: None }
}

fn new_key() -> KeyChange {
    KeyChange { name: "k".to_owned(), scopes: vec![Scope::EventsWrite], expires_at: None }
}

fn onboarding(slug: &str) -> Onboarding {
    Onboarding {
        slug: slug.to_owned(),
        name: slug.to_owned(),
        description: String::new(),
        admin_email: format!("{slug}@example.com"),
        admin_name: slug.to_owned(),
        admin_password: "correct horse battery".to_owned(),
    }
}

/// A change as a row of the table.
macro_rules! change {
    ($name:literal, [$($resource:ident $action:ident),+], |$scene:ident, $initiator:ident| $work:expr) => {
        ($name, &[$((Resource::$resource, Action::$action)),+], |$scene, $initiator| {
            async move { $work.await.map(|_| ()) }.boxed()
        })
    };
}

/// What people of a project do to others and to what is the project's.
const OF_PROJECT: &[Change] = &[
    change!("create_user", [Users Create, Users Manage], |s, initiator| {
        s.app.app.admin.create_user(s.project, invitee(&s.fresh(), &["viewer"]), initiator)
    }),
    change!("change_user", [Users Update], |s, initiator| async {
        let change = profile::AccountChange { full_name: Some("Other".to_owned()), ..profile::AccountChange::default() };
        s.app.app.accounts.change(s.project, s.user().await, change, initiator).await
    }),
    change!("set_user_roles", [Users Manage], |s, initiator| async {
        let roles = vec!["viewer".to_owned()];
        s.app.app.admin.set_roles(s.project, s.user().await, roles, &Precondition::None, initiator).await
    }),
    change!("approve_user", [Users Approve, Users Manage], |s, initiator| async {
        let user = s.app.waiting(s.project, &format!("{}@example.com", s.fresh())).await;
        let roles = Some(vec!["viewer".to_owned()]);
        s.app.app.admin.approve_user(s.project, user, roles, initiator).await
    }),
    change!("unlock_user", [Users Update], |s, initiator| async {
        s.app.app.admin.unlock_user(s.project, s.user().await, initiator).await
    }),
    change!("revoke_user_sessions", [Users Manage], |s, initiator| async {
        s.app.app.admin.end_sessions_of(s.project, s.user().await, Which::All, initiator).await
    }),
    change!("suspend_user", [Users Update], |s, initiator| async {
        s.app.app.admin.set_user_status(s.project, s.user().await, UserStatus::Suspended, initiator).await
    }),
    change!("reactivate_user", [Users Update], |s, initiator| async {
        let (user, admin) = (s.user().await, &s.app.app.admin);
        admin.set_user_status(s.project, user, UserStatus::Suspended, &Initiator::system()).await?;
        admin.set_user_status(s.project, user, UserStatus::Active, initiator).await
    }),
    change!("delete_user", [Users Delete], |s, initiator| async {
        s.app.app.admin.delete_user(s.project, s.user().await, initiator).await
    }),
    change!("erase_user", [Users Manage], |s, initiator| async {
        s.app.app.accounts.erase(s.project, s.user().await, initiator).await
    }),
    change!("reset_second_factor", [Users Manage], |s, initiator| async {
        // There is none: that is told to those alone who might take it away.
        match s.app.app.admin.reset_second_factor(s.project, s.user().await, initiator).await {
            Err(AdminError::NotFound(_)) => Ok(()),
            other => other,
        }
    }),
    change!("export_user", [Users Export], |s, initiator| async {
        s.app.app.accounts.export(s.project, s.user().await, initiator).await
    }),
    change!("invite", [Users Create, Users Manage], |s, initiator| {
        s.app.app.admin.invite(s.project, invitation(&s.fresh(), &["viewer"]), initiator)
    }),
    change!("revoke_invitation", [Users Create], |s, initiator| async {
        let made = s.app.app.admin.invite(s.project, invitation(&s.fresh(), &[]), &Initiator::system()).await?;
        s.app.app.admin.revoke_invitation(s.project, made.id, initiator).await
    }),
    change!("create_role", [Roles Create], |s, initiator| {
        s.app.app.admin.create_role(s.project, new_role(s.fresh()), initiator)
    }),
    change!("change_role", [Roles Update], |s, initiator| async {
        let change = RoleChange { permissions: Some(vec!["keys:read".to_owned()]), ..RoleChange::default() };
        s.app.app.admin.change_role(s.project, s.role().await, change, &Precondition::None, initiator).await
    }),
    change!("delete_role", [Roles Delete], |s, initiator| async {
        s.app.app.admin.delete_role(s.project, s.role().await, initiator).await
    }),
    change!("create_rule", [Rules Create], |s, initiator| {
        s.app.app.admin.create_rule(s.project, RuleBody::new(s.fresh(), "true"), RuleMode::Off, initiator)
    }),
    change!("update_rule", [Rules Update], |s, initiator| async {
        let (rule, body) = (s.rule().await, RuleBody::new(s.fresh(), "false"));
        s.app.app.admin.change_rule(s.project, rule, body, None, &Precondition::None, initiator).await
    }),
    change!("set_rule_mode", [Rules Update], |s, initiator| async {
        let (rule, mode) = (s.rule().await, RuleMode::Shadow);
        s.app.app.admin.set_rule_mode(s.project, rule, mode, &Precondition::None, initiator).await
    }),
    change!("restore_rule", [Rules Update], |s, initiator| async {
        let (rule, system) = (s.rule().await, Initiator::system());
        let (admin, body) = (&s.app.app.admin, RuleBody::new(s.fresh(), "false"));
        admin.change_rule(s.project, rule, body, None, &Precondition::None, &system).await?;
        admin.restore_rule(s.project, rule, 1, &Precondition::None, initiator).await
    }),
    change!("delete_rule", [Rules Delete], |s, initiator| async {
        s.app.app.admin.delete_rule(s.project, s.rule().await, initiator).await
    }),
    change!("create_event_type", [Events Create], |s, initiator| {
        s.app.app.admin.create_event_type(s.project, s.fresh(), event_type_body(), schema("{}"), initiator)
    }),
    change!("update_event_type", [Events Update], |s, initiator| async {
        let (name, change) = (s.event_type().await, (event_type_body(), true));
        s.app.app.admin.update_event_type(s.project, &name, change, &Precondition::None, initiator).await
    }),
    change!("create_event_type_version", [Events Update], |s, initiator| async {
        let (name, says) = (s.event_type().await, schema(r#"{"title":"A"}"#));
        let new = NewVersion { says, must_be_compatible: true };
        s.app.app.admin.add_event_type_version(s.project, &name, new, &Precondition::None, initiator).await
    }),
    change!("deprecate_event_type", [Events Update], |s, initiator| async {
        s.app.app.admin.deprecate_event_type(s.project, &s.event_type().await, initiator).await
    }),
    change!("delete_event_type", [Events Delete], |s, initiator| async {
        s.app.app.admin.delete_event_type(s.project, &s.event_type().await, initiator).await
    }),
    change!("create_webhook_endpoint", [Endpoints Create], |s, initiator| {
        s.app.app.admin.create_endpoint(s.project, endpoint_body(s.fresh()), false, initiator)
    }),
    change!("update_webhook_endpoint", [Endpoints Update], |s, initiator| async {
        let (endpoint, body) = (s.endpoint().await, endpoint_body(s.fresh()));
        s.app.app.admin.change_endpoint(s.project, endpoint, body, None, &Precondition::None, initiator).await
    }),
    change!("enable_webhook_endpoint", [Endpoints Update], |s, initiator| async {
        s.app.app.admin.switch_endpoint(s.project, s.endpoint().await, true, initiator).await
    }),
    change!("rotate_webhook_endpoint_secret", [Endpoints Update], |s, initiator| async {
        let (endpoint, grace) = (s.endpoint().await, std::time::Duration::from_secs(60));
        s.app.app.admin.rotate_endpoint_secret(s.project, endpoint, grace, initiator).await
    }),
    change!("test_webhook_endpoint", [Endpoints Update], |s, initiator| async {
        s.app.app.admin.test_endpoint(s.project, s.endpoint().await, initiator).await
    }),
    change!("delete_webhook_endpoint", [Endpoints Delete], |s, initiator| async {
        s.app.app.admin.delete_endpoint(s.project, s.endpoint().await, initiator).await
    }),
    change!("create_key", [Keys Create], |s, initiator| {
        s.app.app.admin.create_key(s.project, new_key(), initiator)
    }),
    change!("regenerate_key", [Keys Update], |s, initiator| async {
        s.app.app.admin.regenerate_key(s.project, s.key().await, initiator).await
    }),
    change!("revoke_key", [Keys Delete], |s, initiator| async {
        s.app.app.admin.revoke_key(s.project, s.key().await, initiator).await
    }),
    change!("put_settings", [Settings Update], |s, initiator| {
        s.app.app.admin.put_settings(s.project, Settings::default(), &Precondition::None, initiator)
    }),
    change!("change_project", [Projects Update], |s, initiator| {
        let change = ProjectChange { description: Some("Other.".to_owned()), ..ProjectChange::default() };
        s.app.app.admin.change_project(s.project, change, initiator)
    }),
    change!("export_audit", [Audit Export], |s, initiator| async {
        Ok(s.app.app.audit.note_export(s.project, initiator, json!({})).await?)
    }),
];

/// What people of the platform do to projects.
const OF_PLATFORM: &[Change] = &[
    change!("create_project", [Projects Create], |s, initiator| {
        s.app.app.admin.onboard(onboarding(&s.fresh()), initiator)
    }),
    change!("change_project", [Projects Update], |s, initiator| async {
        let change = ProjectChange { name: Some(s.fresh()), ..ProjectChange::default() };
        s.app.app.admin.change_project(s.tenant().await, change, initiator).await
    }),
    change!("suspend_project", [Projects Manage], |s, initiator| async {
        s.app.app.admin.set_project_works(s.tenant().await, false, initiator).await
    }),
    change!("archive_project", [Projects Delete], |s, initiator| async {
        s.app.app.admin.archive_project(s.tenant().await, initiator).await
    }),
    change!("put_plan", [Projects Manage], |s, initiator| async {
        s.app.app.admin.set_plan(s.tenant().await, Plan::default(), initiator).await
    }),
    change!("put_features", [Projects Manage], |s, initiator| async {
        s.app.app.admin.set_features(s.tenant().await, Switched::new(), initiator).await
    }),
];

fn invitation(name: &str, roles: &[&str]) -> NewInvitation {
    NewInvitation {
        email: format!("{name}@example.com"),
        full_name: None,
        roles: roles.iter().map(ToString::to_string).collect(),
        good_for: None,
    }
}

/// A user with this role, and their request as it was let in.
async fn let_in(scene: &Scene<'_>, slug: &str, role: &str) -> (UserId, Initiator) {
    let (name, admin) = (scene.fresh(), &scene.app.app.admin);
    let new =
        Invitee { password: Some("correct horse battery".to_owned()), ..invitee(&name, &[role]) };
    let (user, _) =
        admin.create_user(scene.project, new, &Initiator::system()).await.expect("an account");
    let email = format!("{name}@example.com");
    let (status, pass) =
        Account::try_log_in(scene.app, slug, &email, "correct horse battery").await;
    assert_eq!(status, 200, "{pass}");
    let token = pass["access_token"].as_str().expect("a token");
    let person = scene.app.app.sessions.authenticate(token).await.expect("holds");
    let requester = Requester {
        project: scene.project,
        user: user.id,
        session: Some(person.session),
        needs: Vec::new(),
    };
    (
        user.id,
        Initiator {
            actor: Actor::User(user.id),
            requester: Some(requester),
            ..Initiator::system()
        },
    )
}

fn needing(initiator: &Initiator, needs: &[(Resource, Action)]) -> Initiator {
    let need = |(resource, action): &(Resource, Action)| Need {
        resource: *resource,
        action: *action,
        own: *resource == Resource::Projects,
    };
    let requester = initiator.requester.clone().expect("a person");
    let requester = Requester { needs: needs.iter().map(need).collect(), ..requester };
    Initiator { requester: Some(requester), ..initiator.clone() }
}

async fn take(scene: &Scene<'_>, taken: Taken, user: UserId) {
    let (app, system) = (&scene.app.app, Initiator::system());
    match taken {
        Taken::Role => {
            let none = Precondition::None;
            app.admin
                .set_roles(scene.project, user, Vec::new(), &none, &system)
                .await
                .expect("sets");
        }
        Taken::Account => {
            let suspended = UserStatus::Suspended;
            app.admin
                .set_user_status(scene.project, user, suspended, &system)
                .await
                .expect("suspends");
        }
        Taken::Session => {
            let ended = app.sessions.end(scene.project, user, Which::All, Ended::Revoked, &system);
            assert_eq!(ended.await.expect("ends"), 1);
        }
    }
}

async fn tried(scene: &Scene<'_>, slug: &str, role: &str, changes: &[Change]) {
    let (_, initiator) = let_in(scene, slug, role).await;
    for (name, needs, change) in changes {
        let done = change(scene, &needing(&initiator, needs)).await;
        assert!(done.is_ok(), "{name} with the right: {done:?}");
    }
    for taken in [Taken::Role, Taken::Account, Taken::Session] {
        let (user, initiator) = let_in(scene, slug, role).await;
        take(scene, taken, user).await;
        for (name, needs, change) in changes {
            let done = change(scene, &needing(&initiator, needs)).await;
            assert!(
                matches!(done, Err(AdminError::Forbidden(_))),
                "{name} after {taken:?}: {done:?}"
            );
        }
    }
}

async fn a_right_that_was_taken_meanwhile_is_not_used(pair: Pair) {
    let app = start(pair).await;
    let ada = Account::admin(&app, "acme").await;
    let scene = |project| Scene { app: &app, project, made: 0.into() };
    tried(&scene(ada.project), "acme", "admin", OF_PROJECT).await;
    let new = Invitee { password: None, ..invitee("root", &["super_admin"]) };
    app.app.admin.create_user(ProjectId::PLATFORM, new, &Initiator::system()).await.expect("root");
    tried(&scene(ProjectId::PLATFORM), "platform", "super_admin", OF_PLATFORM).await;
    app.stop().await;
}

async fn an_invitation_gives_what_its_maker_may_give_when_it_is_accepted(pair: Pair) {
    let app = start(pair).await;
    let ada = Account::admin(&app, "acme").await;
    role(&ada, "hr", &["users:manage", "events:read"]).await;
    let scene = Scene { app: &app, project: ada.project, made: 0.into() };
    for (taken, accepted) in [
        (None, true),
        (Some(Taken::Session), true),
        (Some(Taken::Role), false),
        (Some(Taken::Account), false),
    ] {
        let (user, initiator) = let_in(&scene, "acme", "hr").await;
        let initiator = needing(
            &initiator,
            &[(Resource::Users, Action::Create), (Resource::Users, Action::Manage)],
        );
        let email = scene.fresh();
        app.app
            .admin
            .invite(ada.project, invitation(&email, &["hr"]), &initiator)
            .await
            .expect("invites");
        if let Some(taken) = taken {
            take(&scene, taken, user).await;
        }
        let token = mailed(&app, &format!("{email}@example.com")).await;
        let body = json!({ "token": token, "password": "correct horse battery", "full_name": "N" });
        let sent =
            app.http.post(format!("{}/api/v1/auth/invitations/accept", app.base)).json(&body);
        let status = sent.send().await.expect("an answer").status().as_u16();
        assert_eq!(status, if accepted { 201 } else { 409 }, "{taken:?}");
    }
    app.stop().await;
}

/// The token that was mailed to an address.
async fn mailed(app: &TestApp, email: &str) -> String {
    app.run_until_idle().await;
    let MailUrl::Mailbox { path } = &app.app.config.mail.url;
    let files = std::fs::read_dir(path).expect("a mailbox").map(|file| file.expect("a file"));
    let mut texts = files.map(|file| std::fs::read_to_string(file.path()).expect("reads"));
    let text = texts.find(|text| text.contains(&format!("To: {email}"))).expect("a mail");
    let (_, rest) = text.split_once("?token=").expect("a token");
    rest.lines().next().expect("a line").trim().to_owned()
}

async fn roles_are_set_on_what_was_read(pair: Pair) {
    let app = start(pair).await;
    let ada = Account::admin(&app, "acme").await;
    let vi = ada.colleague("acme", "vi", &["viewer"]).await;
    let url = format!("{}/api/v1/users/{}/roles", app.base, vi.user);
    let tagged = async |request: reqwest::RequestBuilder| {
        let answer = request.bearer_auth(&ada.token).send().await.expect("an answer");
        let tag = answer.headers().get("etag").map(|tag| tag.to_str().expect("a text").to_owned());
        (
            answer.status().as_u16(),
            tag,
            answer.json::<serde_json::Value>().await.unwrap_or_default(),
        )
    };
    let put = |tag: &str, role: &str| {
        tagged(app.http.put(&url).header("if-match", tag).json(&json!({ "roles": [role] })))
    };
    let (status, tag, read) = tagged(app.http.get(&url)).await;
    assert_eq!((status, &read), (200, &json!({ "roles": ["viewer"] })));
    let first = tag.expect("an ETag");
    let (status, tag, set) = put(&first, "responder").await;
    assert_eq!((status, &set["roles"]), (200, &json!(["responder"])), "{set}");
    let (status, _, told) = put(&first, "member").await;
    assert_eq!((status, &told["code"]), (412, &json!("precondition_failed")), "{told}");
    assert_eq!(put("soon", "member").await.0, 400);
    let second = tag.expect("an ETag");
    assert_eq!(tagged(app.http.get(&url)).await.1.as_ref(), Some(&second));
    assert_eq!(put(&second, "member").await.0, 200);
    assert_eq!(put("*", "viewer").await.0, 200);
    app.stop().await;
}
