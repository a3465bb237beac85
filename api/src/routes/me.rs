//! One's own account.

use std::sync::Arc;

use poem::Request;
use poem_openapi::param::Path;
use poem_openapi::{Object, OpenApi};
use runtime::app::App;
use serde::{Deserialize, Serialize};
use services::accounts::NewDevice;
use uuid::Uuid;

use super::Tag;
use super::users::account::AccountChange;
use super::users::export::{self, ExportAnswer};
use super::users::picture::{self, PictureAnswer};
use super::users::wire::{NewPushToken, Preferences, PushToken, PushTokens};
use super::users::{User, shown};
use crate::auth::{Me, Right};
use crate::body::Body;
use crate::problem::{Acts, Changes, Failure, Lists, Reads};
use crate::wire::{Answer, Done, Stamp, Taken};

/// The operations on one's own account.
pub struct Operations {
    app: Arc<App>,
}

impl Operations {
    /// Operations that work on `app`.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

/// What somebody sees of themselves.
#[derive(Clone, Debug, Object, Serialize)]
struct Account {
    /// The account.
    user: User,
    /// What it may do, out of all its roles: `resource:action`, with `:own` where it reaches no further, `!` before what
    /// is taken, and ` if ` before a condition.
    permissions: Vec<String>,
    /// The second factor.
    second_factor: SecondFactor,
}

/// Whether a login takes a code besides the password.
#[derive(Clone, Debug, Object, Serialize)]
struct SecondFactor {
    /// Whether it does.
    enabled: bool,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed_at: Option<Stamp>,
    /// How many backup codes are left.
    backup_codes_left: u32,
}

/// Which file is to be the picture.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
struct Avatar {
    /// The path of a file that is there, within the project, below `avatars/` and the account's id.
    #[oai(validator(max_length = 700))]
    file: String,
}

/// A new password.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
struct PasswordChange {
    /// The password so far.
    #[oai(validator(max_length = 1024))]
    old_password: String,
    /// The one from now on.
    #[oai(validator(max_length = 1024))]
    new_password: String,
}

/// Another address for the account.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
struct EmailChange {
    /// The address that the account is to have.
    #[oai(validator(max_length = 254))]
    email: String,
    /// The account's password.
    #[oai(validator(max_length = 1024))]
    password: String,
}

/// That somebody means it.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
struct Erasure {
    /// The account's password.
    #[oai(validator(max_length = 1024))]
    password: String,
}

#[OpenApi(prefix_path = "/api/v1/me", tag = "Tag::Me")]
impl Operations {
    /// Get my account
    ///
    /// Needs a login.
    #[oai(path = "/", method = "get", operation_id = "get_me")]
    async fn get(&self, me: Me) -> Result<Answer<Account>, Failure<Reads>> {
        let (user, roles) = self.app.admin.user(me.person.project, me.person.user).await?;
        let permissions = me.person.grants.list().iter().map(ToString::to_string).collect();
        let factor = self.app.sessions.factor_of(&me.person).await?;
        let factor = factor.filter(|factor| factor.confirmed_at.is_some());
        let left = factor.as_ref().map_or(0, |factor| factor.codes_left);
        let second_factor = SecondFactor {
            enabled: factor.is_some(),
            confirmed_at: factor.and_then(|factor| factor.confirmed_at).map(Stamp),
            backup_codes_left: u32::try_from(left).unwrap_or(0),
        };
        let user = shown(&self.app, user, roles).await?;
        Ok(Answer(Account { user, permissions, second_factor }))
    }

    /// Update my account
    ///
    /// Needs a login. What is left out stays, and `null` removes.
    #[oai(path = "/", method = "patch", operation_id = "update_me")]
    async fn change(
        &self,
        me: Me,
        body: Body<AccountChange>,
    ) -> Result<Answer<User>, Failure<Changes>> {
        let (project, user) = (me.person.project, me.person.user);
        let people = &self.app.accounts;
        let (user, roles) = people.change(project, user, body.value.into(), &me.initiator).await?;
        Ok(Answer(shown(&self.app, user, roles).await?))
    }

    /// Change my password
    ///
    /// Needs a login and the password so far; failures count as those of logins do. All other sessions
    /// end, and a mail tells of it.
    #[oai(path = "/password", method = "post", operation_id = "change_password")]
    async fn password(&self, me: Me, body: Body<PasswordChange>) -> Result<Done, Failure<Changes>> {
        let PasswordChange { old_password, new_password } = &body.value;
        let admin = &self.app.admin;
        admin.change_password(&me.person, old_password, new_password, &me.initiator).await?;
        Ok(Done)
    }

    /// Change my email address
    ///
    /// Needs a login and the password; failures count as those of logins do. A token is mailed to the new address, and
    /// `verify_email` takes it: until then the account keeps the address that it has, which is told at once and again
    /// when it is changed. Sessions stay. The answer is the same, and takes as long, when another account has the new
    /// address: then its holder is mailed. An address gets a few such mails within an hour and no more.
    #[oai(path = "/email", method = "post", operation_id = "change_email")]
    async fn email(&self, me: Me, body: Body<EmailChange>) -> Result<Taken, Failure<Changes>> {
        let EmailChange { email, password } = &body.value;
        let admin = &self.app.admin;
        admin.ask_email(&me.person, email, password, &me.initiator).await?;
        Ok(Taken)
    }

    /// Get my avatar
    ///
    /// Needs a login. The file that the account names; PNG, JPEG, GIF and WebP are shown, anything else is saved.
    /// `If-None-Match` is understood.
    #[oai(path = "/avatar", method = "get", operation_id = "get_avatar")]
    async fn avatar(&self, me: Me, request: &Request) -> Result<PictureAnswer, Failure<Reads>> {
        let admin = &self.app.admin;
        let (user, _) = admin.user(me.person.project, me.person.user).await?;
        Ok(picture::answer(&self.app, request, &user).await?)
    }

    /// Set my avatar
    ///
    /// Needs a login. The file must be there already, in the folder of the account.
    #[oai(path = "/avatar", method = "put", operation_id = "set_avatar")]
    async fn set_avatar(
        &self,
        me: Me,
        body: Body<Avatar>,
    ) -> Result<Answer<User>, Failure<Changes>> {
        let (project, user) = (me.person.project, me.person.user);
        let people = &self.app.accounts;
        let file = Some(body.value.file.as_str());
        let (user, roles) = people.set_avatar(project, user, file, &me.initiator).await?;
        Ok(Answer(shown(&self.app, user, roles).await?))
    }

    /// Delete my avatar
    ///
    /// Needs a login. The file itself stays.
    #[oai(path = "/avatar", method = "delete", operation_id = "delete_avatar")]
    async fn delete_avatar(&self, me: Me) -> Result<Done, Failure<Acts>> {
        let (project, user) = (me.person.project, me.person.user);
        self.app.accounts.set_avatar(project, user, None, &me.initiator).await?;
        Ok(Done)
    }

    /// List my devices
    ///
    /// Needs a login. Those that get pushes, the one that was seen last first.
    #[oai(path = "/push-tokens", method = "get", operation_id = "list_push_tokens")]
    async fn push_tokens(&self, me: Me) -> Result<Answer<PushTokens>, Failure<Lists>> {
        let found = self.app.accounts.devices(me.person.project, me.person.user).await?;
        Ok(Answer(PushTokens { items: found.into_iter().map(PushToken::from).collect() }))
    }

    /// Register a device
    ///
    /// Needs a login. A token that is known is seen again; one that another account of the project has moves to this one.
    /// Of more than 20, the one that was not seen for longest goes. Logging out leaves it.
    #[oai(path = "/push-tokens", method = "put", operation_id = "put_push_token")]
    async fn put_push_token(
        &self,
        me: Me,
        body: Body<NewPushToken>,
    ) -> Result<Answer<PushToken>, Failure<Changes>> {
        let NewPushToken { platform, token, device } = body.value;
        let new = NewDevice { platform: platform.into(), token, device };
        let people = &self.app.accounts;
        let kept = people.put_device(me.person.project, me.person.user, new).await?;
        Ok(Answer(kept.into()))
    }

    /// Delete a device
    ///
    /// Needs a login.
    #[oai(path = "/push-tokens/:id", method = "delete", operation_id = "delete_push_token")]
    async fn delete_push_token(
        &self,
        me: Me,
        /// The device.
        id: Path<Uuid>,
    ) -> Result<Done, Failure<Acts>> {
        let people = &self.app.accounts;
        people.delete_device(me.person.project, me.person.user, id.0).await?;
        Ok(Done)
    }

    /// Get my preferences
    ///
    /// Needs a login.
    #[oai(path = "/preferences", method = "get", operation_id = "get_preferences")]
    async fn preferences(&self, me: Me) -> Result<Answer<Preferences>, Failure<Reads>> {
        let people = &self.app.accounts;
        let (kept, version) = people.preferences(me.person.project, me.person.user).await?;
        Ok(Answer(Preferences::of(kept, Some(version))))
    }

    /// Set my preferences
    ///
    /// Needs a login. All of them: what is left out is as it is for somebody who set none.
    #[oai(path = "/preferences", method = "put", operation_id = "set_preferences")]
    async fn set_preferences(
        &self,
        me: Me,
        body: Body<Preferences>,
    ) -> Result<Answer<Preferences>, Failure<Changes>> {
        let (project, user) = (me.person.project, me.person.user);
        let seen = body.value.version;
        let wanted = body.value.wanted()?;
        let people = &self.app.accounts;
        let version = people.set_preferences(project, user, &wanted, seen, &me.initiator).await?;
        Ok(Answer(Preferences::of(wanted, Some(version))))
    }

    /// Export my data
    ///
    /// Needs a login. Everything that is held on this account, as one JSON object. It is written down that it was taken.
    #[oai(path = "/export", method = "get", operation_id = "export_me")]
    async fn export(&self, me: Me, request: &Request) -> Result<ExportAnswer, Failure<Reads>> {
        let people = self.app.accounts.clone();
        let right = Right::of_me(&self.app, request, &me);
        Ok(export::run(people, me.person.project, me.person.user, &me.initiator, right).await?)
    }

    /// Erase my account
    ///
    /// Needs a login and the password; failures count as those of logins do. The account is logged out, and what is
    /// personal is overwritten or made unreadable everywhere, event payloads apart, which are the producer's. There is no
    /// way back. The last one who can administer a project can't be erased.
    #[oai(path = "/erase", method = "post", operation_id = "erase_me")]
    async fn erase(&self, me: Me, body: Body<Erasure>) -> Result<Done, Failure<Changes>> {
        let people = &self.app.accounts;
        people.erase_me(&me.person, &body.value.password, &me.initiator).await?;
        Ok(Done)
    }
}
