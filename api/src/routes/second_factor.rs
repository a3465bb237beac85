//! One's own second factor: codes that an app shows, and backup codes for when it is lost.

use std::sync::Arc;

use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};
use runtime::app::App;
use serde::{Deserialize, Serialize};
use services::sessions::factor::Enrolment;

use super::Tag;
use crate::auth::Me;
use crate::body::Body;
use crate::problem::{Changes, Failure, Problem};
use crate::wire::{Answer, Done, Made};

/// The operations on one's own second factor.
pub struct Operations {
    app: Arc<App>,
}

impl Operations {
    /// Operations that work on `app`.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

/// The password of whoever is logged in.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
struct PasswordProof {
    /// The password.
    #[oai(validator(max_length = 1024))]
    password: String,
}

/// A code of an app.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, example)]
struct CodeProof {
    /// The six digits that the app shows.
    #[oai(validator(max_length = 64))]
    code: String,
}

impl Example for CodeProof {
    fn example() -> Self {
        Self { code: "123456".to_owned() }
    }
}

/// The password and a code.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
struct BothProofs {
    /// The password.
    #[oai(validator(max_length = 1024))]
    password: String,
    /// The six digits that the app shows, or a backup code.
    #[oai(validator(max_length = 64))]
    code: String,
}

/// What an app needs to know. It is shown this once.
#[derive(Clone, Debug, Object, Serialize)]
struct SecondFactorSecret {
    /// The secret in base 32, for typing it in.
    secret: String,
    /// The same as a key URI, `otpauth://totp/…`.
    uri: String,
    /// The same as a QR code: an SVG picture in a data URI.
    qr_code: String,
}

impl From<Enrolment> for SecondFactorSecret {
    fn from(one: Enrolment) -> Self {
        Self { secret: one.secret, uri: one.uri, qr_code: one.picture }
    }
}

/// Codes that stand in for the app, each once. They are shown this once.
// Its name differs from its field's, because in a generated client in Python the two would be one variable.
#[derive(Clone, Debug, Object, Serialize)]
struct IssuedBackupCodes {
    /// The codes.
    backup_codes: Vec<String>,
}

#[OpenApi(prefix_path = "/api/v1/me/second-factor", tag = "Tag::Me")]
impl Operations {
    /// Enrol a second factor
    ///
    /// Needs a login and the password; failures count as those of logins do. Makes a secret for an authenticator app
    /// (TOTP, six digits every 30 seconds). No code is asked for before one was confirmed.
    #[oai(path = "/", method = "post", operation_id = "enrol_second_factor")]
    async fn enrol(
        &self,
        me: Me,
        body: Body<PasswordProof>,
    ) -> Result<Made<SecondFactorSecret>, Failure<Changes>> {
        let sessions = &self.app.sessions;
        let made = sessions.enrol(&me.person, &body.value.password).await;
        Ok(Made(made.map_err(Problem::from)?.into()))
    }

    /// Confirm the second factor
    ///
    /// Needs a login and a code of the app. From now on a login takes a code. The answer holds ten backup codes, shown
    /// this once. All other sessions end.
    #[oai(path = "/confirm", method = "post", operation_id = "confirm_second_factor")]
    async fn confirm(
        &self,
        me: Me,
        body: Body<CodeProof>,
    ) -> Result<Answer<IssuedBackupCodes>, Failure<Changes>> {
        let sessions = &self.app.sessions;
        let made = sessions.confirm(&me.person, &body.value.code, &me.initiator).await;
        Ok(Answer(IssuedBackupCodes { backup_codes: made.map_err(Problem::from)? }))
    }

    /// Regenerate backup codes
    ///
    /// Needs a login, the password and a code; failures count as those of logins do. Those of before are good for
    /// nothing.
    #[oai(path = "/backup-codes", method = "post", operation_id = "renew_backup_codes")]
    async fn renew(
        &self,
        me: Me,
        body: Body<BothProofs>,
    ) -> Result<Answer<IssuedBackupCodes>, Failure<Changes>> {
        let BothProofs { password, code } = &body.value;
        let sessions = &self.app.sessions;
        let made = sessions.renew_codes(&me.person, password, code, &me.initiator).await;
        Ok(Answer(IssuedBackupCodes { backup_codes: made.map_err(Problem::from)? }))
    }

    /// Disable the second factor
    ///
    /// Needs a login, the password and a code; failures count as those of logins do. All other sessions end.
    #[oai(path = "/disable", method = "post", operation_id = "disable_second_factor")]
    async fn disable(&self, me: Me, body: Body<BothProofs>) -> Result<Done, Failure<Changes>> {
        let BothProofs { password, code } = &body.value;
        let sessions = &self.app.sessions;
        sessions.disable(&me.person, password, code, &me.initiator).await.map_err(Problem::from)?;
        Ok(Done)
    }
}
