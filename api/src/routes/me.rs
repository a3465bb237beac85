//! One's own account.

use std::sync::Arc;

use poem_openapi::{Object, OpenApi};
use serde::{Deserialize, Serialize};
use shared::admin::UserChange;

use super::Tag;
use super::users::User;
use crate::auth::Me;
use crate::body::Body;
use crate::door::Api;
use crate::problem::{Changes, Failure, Reads};
use crate::wire::{Answer, Done, Stamp};

/// The operations on one's own account.
pub struct Operations {
    app: Arc<Api>,
}

impl Operations {
    /// Operations that work on `app`.
    pub const fn new(app: Arc<Api>) -> Self {
        Self { app }
    }
}

/// What somebody sees of themselves.
#[derive(Clone, Debug, Object, Serialize)]
struct Account {
    /// The account.
    user: User,
    /// What it may do, out of all its roles: `resource:action`, with `:own` where it reaches no further, and `!` before
    /// what is taken.
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

/// What is to be changed; what is left out stays.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
struct AccountChange {
    /// What the holder is called.
    #[oai(validator(max_length = 200))]
    full_name: Option<String>,
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

#[OpenApi(prefix_path = "/api/v1/me", tag = "Tag::Me")]
impl Operations {
    /// Read my account
    ///
    /// Needs a login.
    #[oai(path = "/", method = "get", operation_id = "get_me")]
    async fn get(&self, me: Me) -> Result<Answer<Account>, Failure<Reads>> {
        let desk = self.app.desk()?;
        let (user, roles) = desk.admin.user(me.person.project, me.person.user).await?;
        let permissions = me.person.grants.list().iter().map(ToString::to_string).collect();
        let factor = desk.sessions.factor_of(&me.person).await?;
        let factor = factor.filter(|factor| factor.confirmed_at.is_some());
        let left = factor.as_ref().map_or(0, |factor| factor.codes_left);
        let second_factor = SecondFactor {
            enabled: factor.is_some(),
            confirmed_at: factor.and_then(|factor| factor.confirmed_at).map(Stamp),
            backup_codes_left: u32::try_from(left).unwrap_or(0),
        };
        Ok(Answer(Account { user: User::of(user, roles), permissions, second_factor }))
    }

    /// Change my account
    ///
    /// Needs a login.
    #[oai(path = "/", method = "patch", operation_id = "change_me")]
    async fn change(
        &self,
        me: Me,
        body: Body<AccountChange>,
    ) -> Result<Answer<User>, Failure<Changes>> {
        let change = UserChange { full_name: body.value.full_name };
        let (project, user) = (me.person.project, me.person.user);
        let (user, roles) =
            self.app.desk()?.admin.change_user(project, user, change, &me.doer).await?;
        Ok(Answer(User::of(user, roles)))
    }

    /// Change my password
    ///
    /// Needs a login and the password so far; failures count as those of logins do. All other sessions
    /// end, and a mail tells of it.
    #[oai(path = "/password", method = "post", operation_id = "change_password")]
    async fn password(&self, me: Me, body: Body<PasswordChange>) -> Result<Done, Failure<Changes>> {
        let PasswordChange { old_password, new_password } = &body.value;
        let admin = &self.app.desk()?.admin;
        admin.change_password(&me.person, old_password, new_password, &me.doer).await?;
        Ok(Done)
    }
}
