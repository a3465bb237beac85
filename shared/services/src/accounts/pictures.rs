//! Pictures as they are handed out: the file that the account names, and what kind of picture it is.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use super::{Accounts, file_error};
use crate::admin::AdminError;
use domain::user::User;
use files::key::FileKey;
use files::sniff::{LOOKED_AT, picture_type};
use files::{Content, FileError};
use store::StoreError;

/// The picture of an account.
pub struct Picture {
    /// The file.
    pub content: Content,
    /// Its media type; none when it is no picture that may be shown.
    pub media_type: Option<&'static str>,
}

impl Accounts {
    /// The picture of an account.
    ///
    /// # Errors
    /// When it names none, the file is gone, or files can't be read just now.
    pub async fn picture(&self, user: &User) -> Result<Picture, AdminError> {
        let none = || AdminError::NotFound("picture");
        let path = user.avatar.as_deref().ok_or_else(none)?;
        let key = FileKey::new(user.project, path).map_err(|_| none())?;
        let mut content = match self.files.get(&key, None).await {
            Err(FileError::NotFound) => return Err(none()),
            content => content.map_err(file_error)?,
        };
        let head = read_head(&mut content).await?;
        let media_type = picture_type(&head);
        let rest = std::mem::replace(&mut content.body, futures_util::stream::empty().boxed());
        content.body = futures_util::stream::iter([Ok(head)]).chain(rest).boxed();
        Ok(Picture { content, media_type })
    }
}

/// The beginning of a file, enough of it to tell what it is.
async fn read_head(content: &mut Content) -> Result<Bytes, AdminError> {
    let mut head = BytesMut::new();
    while head.len() < LOOKED_AT {
        match content.body.next().await {
            Some(piece) => {
                let broken = |error: std::io::Error| StoreError::Unavailable(error.to_string());
                head.extend_from_slice(&piece.map_err(broken)?);
            }
            None => break,
        }
    }
    Ok(head.freeze())
}
