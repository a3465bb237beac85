//! What mails say. Nothing that a stranger chose stands in a mail to an address that they named: it would be their words
//! under our name.

use super::MailKind;

/// From where a mail is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Where the API is reached, without a slash at its end.
    pub base: String,
    /// The name of the project.
    pub project: String,
}

/// A token, and how long it is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The token.
    pub token: String,
    /// How long it is good for, in words.
    pub good_for: String,
}

/// What a mail says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
}

/// The longest name of a project that is shown: a line of a mail is bounded.
const NAME: usize = 100;

/// The mail of this kind. `link` is what mails with a token have, `detail` what notices tell besides, like from where
/// somebody logged in.
pub fn letter(kind: MailKind, site: &Site, link: Option<&Link>, detail: Option<&str>) -> Letter {
    let project: String = site.project.chars().take(NAME).collect();
    let (subject, body) = match kind {
        MailKind::VerifyEmail => (
            format!("Prove your address for {project}"),
            "You have an account with this address. Proving the address makes sure that alerts reach you. If you know of \
             no account, do nothing, or ask an admin.",
        ),
        MailKind::AddressInUse => (
            format!("You have an account in {project} already"),
            "Somebody, perhaps you, wanted this address for an account, and it has one already. Nothing was changed. If \
             it was you: log in, or ask for a new password if you don't know yours. If it was not you, do nothing.",
        ),
        MailKind::PasswordReset => (
            format!("A new password for {project}"),
            "Somebody, perhaps you, asked for a new password for your account. If it was not you, do nothing: your \
             password stays as it is.",
        ),
        MailKind::Invitation => (
            format!("You are invited to {project}"),
            "You are invited to make yourself an account. It works as soon as you have given it a password. If you \
             don't want one, do nothing.",
        ),
        MailKind::Registration => (
            format!("Your registration for {project}"),
            "Somebody, perhaps you, asked for an account with this address. If it was you, choose your password with the \
             link below: that makes the account, and an admin approves it. If it was not you, do nothing: there is no \
             account before you choose its password, and nobody else can choose it.",
        ),
        MailKind::ChangeEmail => (
            format!("Use this address for your account in {project}"),
            "The holder of an account asked to use this address for it from now on. If it was you, prove that the address \
             is yours with the link below. If it was not you, do nothing: the account keeps the address that it has.",
        ),
        MailKind::NewDevice => (
            format!("A login to {project} from a new device"),
            "Somebody logged in to your account from a device that was not seen before. If it was you, all is well. If \
             it was not you, change your password at once: that ends all other sessions.",
        ),
        MailKind::LetIn => (
            format!("You were let in to {project}"),
            "An admin has approved your account. You can log in now.",
        ),
        MailKind::PasswordChanged => (
            format!("Your password for {project} was changed"),
            "The password of your account was changed, and all other sessions were ended. If it was not you, ask for a \
             new password at once, and tell an admin.",
        ),
        MailKind::SecondFactorOn => (
            format!("Logging in to {project} takes a code now"),
            "A second factor was switched on for your account: besides the password a login takes a code of your \
             authenticator app. If it was not you, tell an admin at once.",
        ),
        MailKind::SecondFactorOff => (
            format!("Logging in to {project} takes no code any more"),
            "The second factor of your account was switched off: the password alone is enough for a login. If you did \
             not want that, change your password at once, and tell an admin.",
        ),
        MailKind::BackupCodeUsed => (
            format!("A backup code for {project} was used"),
            "Somebody logged in to your account with one of its backup codes; it is used up. If it was not you, change \
             your password at once, and make new codes.",
        ),
        MailKind::BackupCodesMade => (
            format!("New backup codes for {project}"),
            "New backup codes were made for your account; those of before are good for nothing. If it was not you, \
             change your password at once, and tell an admin.",
        ),
        MailKind::EmailChangeAsked => (
            format!("Another address for your account in {project}"),
            "With your password it was asked to use another address for your account. Your account keeps this address \
             until the other one is proved. If it was not you, change your password at once, and tell an admin.",
        ),
        MailKind::EmailChanged => (
            format!("The address of your account in {project} was changed"),
            "Your account has another address from now on: log in with that one. Mails to this address end with this \
             one. If it was not you, tell an admin at once.",
        ),
    };
    let mut text = String::from("Hello,\n\n");
    wrap(body, &mut text);
    if let Some(detail) = detail {
        text.push('\n');
        wrap(detail, &mut text);
    }
    if let Some(link) = link {
        text.push_str(&how(kind, site, link));
    }
    text.push_str(&format!("\n-- \n{project}, by Bellbuoy at {}\n", site.base));
    Letter { subject, text }
}

/// How the token of a mail is used: by its link, or in words while there is no page behind it.
fn how(kind: MailKind, site: &Site, link: &Link) -> String {
    let (page, path, more) = match kind {
        MailKind::Invitation => {
            ("invitation", "invitations/accept", r#", "password": "…", "full_name": "…""#)
        }
        MailKind::PasswordReset => ("reset", "reset-password", r#", "new_password": "…""#),
        MailKind::Registration => ("register", "register/confirm", r#", "password": "…""#),
        _ => ("verify", "verify-email", ""),
    };
    let Link { token, good_for } = link;
    let base = &site.base;
    format!(
        "\nThis link is good once, and for {good_for}:\n\n{base}/auth/{page}?token={token}\n\n\
         Where there is no page behind it, send the token yourself:\n\n\
         curl {base}/api/v1/auth/{path} -H 'Content-Type: application/json' \\\n  \
         -d '{{\"token\": \"{token}\"{more}}}'\n"
    )
}

/// The width of a line.
const WIDTH: usize = 76;

fn wrap(text: &str, out: &mut String) {
    let mut width = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > WIDTH {
            out.push('\n');
            width = 0;
        } else if width > 0 {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += length;
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_says_something_of_its_own() {
        let site = Site { base: "https://alerts.example.com".into(), project: "Acme".into() };
        let link = Link { token: "bbv_1".into(), good_for: "1 day".into() };
        let mut subjects = std::collections::BTreeSet::new();
        for kind in MailKind::ALL {
            let takes = kind.number() != 2 && kind.number() < 10;
            let letter = letter(*kind, &site, takes.then_some(&link), None);
            assert!(letter.subject.contains("Acme") && letter.subject.len() < 100, "{kind}");
            assert!(subjects.insert(letter.subject.clone()), "{kind}");
            assert!(letter.text.starts_with("Hello,\n\n") && letter.text.ends_with('\n'), "{kind}");
            assert_eq!(letter.text.contains("?token=bbv_1\n"), takes, "{kind}");
            let prose = letter
                .text
                .lines()
                .filter(|line| !line.contains("token") && !line.contains("curl"));
            assert!(
                prose.clone().all(|line| line.chars().count() <= WIDTH),
                "{kind}: {}",
                letter.text
            );
        }
    }

    #[test]
    fn a_token_is_told_with_its_way() {
        let site = Site { base: "https://a.example".into(), project: "Acme".into() };
        let link = Link { token: "bbp_1".into(), good_for: "1 hour".into() };
        for (kind, page, path) in [
            (MailKind::VerifyEmail, "verify", "verify-email"),
            (MailKind::PasswordReset, "reset", "reset-password"),
            (MailKind::Invitation, "invitation", "invitations/accept"),
            (MailKind::Registration, "register", "register/confirm"),
            (MailKind::ChangeEmail, "verify", "verify-email"),
        ] {
            let text = letter(kind, &site, Some(&link), None).text;
            assert!(
                text.contains(&format!("\nhttps://a.example/auth/{page}?token=bbp_1\n")),
                "{text}"
            );
            assert!(text.contains(&format!("https://a.example/api/v1/auth/{path} ")), "{text}");
            assert!(text.contains("good once, and for 1 hour:"), "{text}");
        }
    }

    #[test]
    fn lines_are_bounded_whatever_a_project_is_called() {
        let site = Site { base: "https://a.example".into(), project: "é".repeat(5000) };
        let detail = "x ".repeat(500);
        let letter = letter(MailKind::NewDevice, &site, None, Some(&detail));
        assert!(letter.text.lines().all(|line| line.len() < 998), "{}", letter.text);
        assert!(letter.subject.chars().count() < 200);
    }
}
