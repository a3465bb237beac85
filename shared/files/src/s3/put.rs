//! Storing in a bucket: at once what is small, in parts what is not. Either way it can be seen only when it is whole.

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};

use super::super::FileError;
use super::super::upload::Upload;
use super::{fault, nonsense};

/// How long a part is: all that is held in memory of a file. S3 wants 5 MiB at least and allows 10 000 parts.
const PART: usize = 8 << 20;

/// Stores all of it, or nothing.
pub(super) async fn put(
    client: &Client,
    bucket: &str,
    name: String,
    content_type: &str,
    upload: &mut Upload<'_>,
) -> Result<(), FileError> {
    let mut parts = Parts { held: BytesMut::new() };
    let (first, is_last) = parts.next(upload).await?;
    if is_last {
        let put = client.put_object().bucket(bucket).key(name).content_type(content_type);
        return match put.body(ByteStream::from(first)).send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(fault(&error)),
        };
    }
    let begun = client.create_multipart_upload().bucket(bucket).key(&name);
    let begun = begun.content_type(content_type).send().await.map_err(|error| fault(&error))?;
    let id = begun.upload_id().ok_or_else(|| nonsense("upload id"))?.to_owned();
    let mut under_way =
        UnderWay { client: client.clone(), bucket: bucket.to_owned(), name, id, is_over: false };
    let stored = match under_way.all(first, &mut parts, upload).await {
        Ok(done) => under_way.complete(done).await,
        Err(error) => Err(error),
    };
    if stored.is_err() {
        under_way.end().await;
    }
    under_way.is_over = true;
    stored
}

/// Cuts what comes in pieces into parts.
struct Parts {
    held: BytesMut,
}

impl Parts {
    /// The next part, and whether it is the last.
    async fn next(&mut self, upload: &mut Upload<'_>) -> Result<(Bytes, bool), FileError> {
        // One byte more than a part tells that there is another.
        while self.held.len() <= PART {
            match upload.piece().await? {
                Some(piece) => self.held.extend_from_slice(&piece),
                None => return Ok((self.held.split().freeze(), true)),
            }
        }
        Ok((self.held.split_to(PART).freeze(), false))
    }
}

/// An upload in parts, which ends with us if it does not come to its own end, also when nobody waits for it any more.
struct UnderWay {
    client: Client,
    bucket: String,
    name: String,
    id: String,
    is_over: bool,
}

impl UnderWay {
    async fn all(
        &self,
        first: Bytes,
        parts: &mut Parts,
        upload: &mut Upload<'_>,
    ) -> Result<Vec<CompletedPart>, FileError> {
        let mut done = vec![self.part(1, first).await?];
        loop {
            let (part, is_last) = parts.next(upload).await?;
            let number = i32::try_from(done.len() + 1).unwrap_or(i32::MAX);
            done.push(self.part(number, part).await?);
            if is_last {
                return Ok(done);
            }
        }
    }

    async fn part(&self, number: i32, bytes: Bytes) -> Result<CompletedPart, FileError> {
        let sent = self
            .client
            .upload_part()
            .bucket(&self.bucket)
            .key(&self.name)
            .upload_id(&self.id)
            .part_number(number)
            .body(ByteStream::from(bytes))
            .send()
            .await
            .map_err(|error| fault(&error))?;
        let tag = sent.e_tag().ok_or_else(|| nonsense("ETag of a part"))?;
        Ok(CompletedPart::builder().part_number(number).e_tag(tag).build())
    }

    async fn complete(&self, parts: Vec<CompletedPart>) -> Result<(), FileError> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let completed = self
            .client
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(&self.name)
            .upload_id(&self.id)
            .multipart_upload(parts)
            .send()
            .await;
        completed.map(|_| ()).map_err(|error| fault(&error))
    }

    async fn end(&self) {
        if let Err(error) = abort(&self.client, &self.bucket, &self.name, &self.id).await {
            // It can't be seen by anybody; the sweeper finds it.
            tracing::warn!(%error, "an upload in parts was not ended");
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.is_over {
            return;
        }
        let left = Self {
            client: self.client.clone(),
            bucket: std::mem::take(&mut self.bucket),
            name: std::mem::take(&mut self.name),
            id: std::mem::take(&mut self.id),
            is_over: true,
        };
        runtime.spawn(async move { left.end().await });
    }
}

/// Ends an upload in parts; one that is gone has ended.
pub(super) async fn abort(
    client: &Client,
    bucket: &str,
    name: &str,
    id: &str,
) -> Result<(), FileError> {
    let request = client.abort_multipart_upload().bucket(bucket).key(name).upload_id(id);
    match request.send().await.map_err(|error| fault(&error)) {
        Ok(_) | Err(FileError::NotFound) => Ok(()),
        Err(error) => Err(error),
    }
}
