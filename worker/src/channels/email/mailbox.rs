//! A mailbox on disk: a folder with a file for each mail. A mail is written beside its place, synced and renamed, so that
//! whoever looks sees all of it or nothing, and one that is written again after a crash is the same file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;

use super::{MailError, Mailer};
use config::private;
use domain::mail::Message;

/// A folder with mails.
pub(super) struct Mailbox {
    folder: PathBuf,
}

impl Mailbox {
    pub(super) const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }
}

impl Mailer for Mailbox {
    fn send(&self, message: Message) -> BoxFuture<'_, Result<String, MailError>> {
        let folder = self.folder.clone();
        Box::pin(async move {
            let written = tokio::task::spawn_blocking(move || write(&folder, &message)).await;
            // A full disk is emptied and a right is given back: nothing here is for ever.
            let passing = |error: String| MailError::Passing(format!("mailbox: {error}"));
            let path = written
                .map_err(|error| passing(error.to_string()))?
                .map_err(|error| passing(error.to_string()))?;
            Ok(path.display().to_string())
        })
    }
}

fn write(folder: &Path, message: &Message) -> io::Result<PathBuf> {
    private::folder(folder, private::FOLDER)?;
    let name = message.id.simple();
    let draft = |attempt: i64| folder.join(format!(".{name}.{attempt}.part"));
    let (mine, place) = (draft(message.attempt), folder.join(format!("{name}.eml")));
    // There are tokens in it.
    private::touch(&mine)?;
    let mut file = OpenOptions::new().write(true).truncate(true).open(&mine)?;
    file.write_all(&message.bytes())?;
    file.sync_all()?;
    fs::rename(&mine, &place)?;
    // What earlier attempts left when they were killed: each has a name of its own, so that two never write to one file.
    for attempt in 1..message.attempt {
        let _ = fs::remove_file(draft(attempt));
    }
    File::open(folder)?.sync_all()?;
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::time::Time;

    fn message(attempt: i64) -> Message {
        Message {
            id: uuid::Uuid::from_u128(7),
            attempt,
            from: "bell@example.com".into(),
            to: "ana@example.com".into(),
            subject: "s".into(),
            text: "t\n".into(),
            at: Time::from_micros(1),
            host: "h".into(),
        }
    }

    #[test]
    fn a_mail_that_comes_again_is_the_same_file() {
        let folder = std::env::temp_dir().join(format!("bellbuoy-{}", uuid::Uuid::new_v4()));
        let first = write(&folder, &message(1)).expect("writes");
        let bytes = fs::read(&first).expect("reads");
        assert_eq!(bytes, message(1).bytes());
        fs::write(folder.join(format!(".{}.1.part", message(1).id.simple())), "half")
            .expect("a rest");
        assert_eq!(write(&folder, &message(2)).expect("writes"), first);
        let names: Vec<_> = fs::read_dir(&folder).expect("reads").collect();
        assert_eq!(names.len(), 1, "{names:?}");
        assert_eq!(fs::read(&first).expect("reads"), bytes);
        assert_eq!((private::mode(&first), private::mode(&folder)), (Some(0o600), Some(0o700)));
        fs::remove_dir_all(&folder).expect("goes");
    }

    #[tokio::test]
    async fn a_folder_that_can_not_be_made_is_told() {
        let file = std::env::temp_dir().join(format!("bellbuoy-{}", uuid::Uuid::new_v4()));
        fs::write(&file, "x").expect("a file");
        let sent = Mailbox::new(file.join("box")).send(message(1)).await;
        assert!(matches!(sent, Err(MailError::Passing(_))), "{sent:?}");
        fs::remove_file(&file).expect("goes");
    }
}
