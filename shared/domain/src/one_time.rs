//! Tokens that are mailed and good for one use. Their text carries the project, as refresh tokens do, so that nobody has to
//! name it again.

use uuid::Uuid;

use super::names::words;
use crate::id::{ProjectId, sha256};

words! {
    /// What a token is for.
    Purpose {
        /// Proving an address.
        VerifyEmail = 1 "verify_email",
        /// Setting a new password.
        ResetPassword = 2 "reset_password",
        /// Accepting an invitation.
        Invitation = 3 "invitation",
        /// Making the account that was registered.
        Registration = 4 "registration",
        /// Proving the address that an account is to have from now on.
        ChangeEmail = 5 "change_email",
    }
}

impl Purpose {
    const fn prefix(self) -> &'static str {
        match self {
            Self::VerifyEmail => "bbv_",
            Self::ResetPassword => "bbp_",
            Self::Invitation => "bbi_",
            Self::Registration => "bbg_",
            Self::ChangeEmail => "bbe_",
        }
    }
}

/// A token as the store knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenKey {
    /// The project.
    pub project: ProjectId,
    /// Its row.
    pub id: Uuid,
    /// SHA-256 of the part that nobody can guess.
    pub hash: [u8; 32],
}

/// The token of this row and chance: its text, which stands in its mail alone, and what the store keeps of it.
pub fn make(
    purpose: Purpose,
    project: ProjectId,
    id: Uuid,
    secret: [u8; 32],
) -> (String, TokenKey) {
    let prefix = purpose.prefix();
    let text = format!("{prefix}{}_{}_{}", project.0.simple(), id.simple(), hex::encode(secret));
    (text, TokenKey { project, id, hash: sha256(&secret) })
}

/// Reads what `make` made for this purpose; none when it is something else.
pub fn parse(purpose: Purpose, text: &str) -> Option<TokenKey> {
    let mut parts = text.trim().strip_prefix(purpose.prefix())?.split('_');
    let project = ProjectId(Uuid::try_parse(parts.next()?).ok()?);
    let id = Uuid::try_parse(parts.next()?).ok()?;
    let secret: [u8; 32] = hex::decode(parts.next()?).ok()?.try_into().ok()?;
    parts.next().is_none().then(|| TokenKey { project, id, hash: sha256(&secret) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_for_its_purpose_alone() {
        let project = ProjectId(Uuid::from_u128(5));
        let (text, key) = make(Purpose::VerifyEmail, project, Uuid::from_u128(9), [7; 32]);
        assert!(text.starts_with("bbv_") && text.len() < 200, "{text}");
        assert_eq!(parse(Purpose::VerifyEmail, &text), Some(key));
        assert_eq!(parse(Purpose::VerifyEmail, &format!(" {text}\n")), Some(key));
        assert_eq!(parse(Purpose::ResetPassword, &text), None);
        for bad in ["", "bbv_", "bbv_x_y_z", &format!("{text}_"), &text[..text.len() - 1], "é"] {
            assert_eq!(parse(Purpose::VerifyEmail, bad), None, "{bad}");
        }
    }
}
