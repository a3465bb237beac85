//! Account mails: what they are about, what they say, and how they look on the wire.

mod message;
mod texts;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::names::words;

pub use message::{Message, is_sender};
pub use texts::{Letter, Link, Site, letter};

words! {
    /// What a mail is about. Strangers can cause those below ten, logins those below twenty.
    MailKind {
        /// Proves an address.
        VerifyEmail = 1 "verify_email",
        /// Somebody wanted an account for an address that has one.
        AddressInUse = 2 "address_in_use",
        /// Gives a new password.
        PasswordReset = 3 "password_reset",
        /// Invites somebody.
        Invitation = 4 "invitation",
        /// Makes the account that was registered.
        Registration = 5 "registration",
        /// Proves the address that an account is to have from now on.
        ChangeEmail = 6 "change_email",
        /// Somebody logged in from a device that was not seen before.
        NewDevice = 10 "new_device",
        /// A pending account was let in.
        LetIn = 20 "let_in",
        /// A password was changed.
        PasswordChanged = 21 "password_changed",
        /// A second factor is asked for from now on.
        SecondFactorOn = 22 "second_factor_on",
        /// No second factor is asked for any more.
        SecondFactorOff = 23 "second_factor_off",
        /// A backup code stood in for the second factor.
        BackupCodeUsed = 24 "backup_code_used",
        /// There are new backup codes.
        BackupCodesMade = 25 "backup_codes_made",
        /// Another address was named for an account, and is not proved yet.
        EmailChangeAsked = 26 "email_change_asked",
        /// The address of an account was changed.
        EmailChanged = 27 "email_changed",
    }
}

impl MailKind {
    /// The kinds that share a limit with this one, as the bounds of their numbers; none when no limit holds it back:
    /// notices of what somebody did with an account must come, whoever sent what before.
    pub const fn limited_with(self) -> Option<(i16, i16)> {
        match self.number() {
            1..=9 => Some((1, 9)),
            10..=19 => Some((10, 19)),
            _ => None,
        }
    }
}

/// The limit of mails to one address counts those of this long.
pub const COUNTED: Duration = Duration::from_secs(3600);

/// What a mail says and to whom, as it is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailText {
    /// The address.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_strangers_and_logins_cause_is_limited() {
        for kind in MailKind::ALL {
            let limited = kind.limited_with();
            assert_eq!(limited.is_some(), kind.number() < 20, "{kind}");
            assert!(limited.is_none_or(|(least, most)| (least..=most).contains(&kind.number())));
        }
    }
}
