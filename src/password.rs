//! Where the passwords of commands come from.

use clap::Args;
use domain::user::{PasswordPolicy, normal_email, password_fault};
use runtime::process::Failure;

/// Where a password comes from; one is made and shown if nobody says.
#[derive(Args)]
pub struct Password {
    /// Reads the password from the first line of the standard input, so that it stands in no list of processes.
    #[arg(long)]
    password_stdin: bool,
}

impl Password {
    /// The password, and whether it was chosen rather than made.
    ///
    /// # Errors
    /// When the standard input can't be read.
    pub fn take(&self, email: &str, policy: PasswordPolicy) -> Result<(String, bool), Failure> {
        if !self.password_stdin {
            return Ok((made(email, policy), false));
        }
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)?;
        Ok((line.trim_end_matches(['\r', '\n']).to_owned(), true))
    }
}

/// A password that nobody guesses, and that can be typed: letters without those that look alike, in groups of five,
/// as long as the policy demands. One that happens to hold the holder's name is drawn again.
pub fn made(email: &str, policy: PasswordPolicy) -> String {
    const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
    let group = || -> String {
        (0..5).map(|_| char::from(LETTERS[rand::random_range(0..LETTERS.len())])).collect()
    };
    let groups = (policy.min_length + 1).div_ceil(6).max(4);
    loop {
        let made = (0..groups).map(|_| group()).collect::<Vec<_>>().join("-");
        if password_fault(&made, &normal_email(email), policy).is_none() {
            return made;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{PasswordPolicy, made, password_fault};

    #[test]
    fn a_made_password_is_good_enough() {
        // Short names are in one of two thousand by chance.
        for min_length in [8, 23, 24, 64, 128] {
            let policy = PasswordPolicy { min_length };
            for email in ["ana@example.com", "Eve@example.com", "a@example.com"] {
                for _ in 0..500 {
                    let made = made(email, policy);
                    let fault = password_fault(&made, &email.to_lowercase(), policy);
                    assert!(fault.is_none(), "{made} for {email}: {fault:?}");
                }
            }
        }
    }
}
