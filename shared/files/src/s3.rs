//! Files in a bucket of S3, or of a server that speaks its protocol.

mod put;

use std::io;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, Region, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use futures_util::StreamExt;
use futures_util::stream::unfold;

use super::key::{FileKey, FilePrefix};
use super::link::Terms;
use super::range::{ByteRange, Span};
use super::upload::Upload;
use super::{Answer, Body, Content, FileEngine, FileError, FileInfo, Listed, Page};
use aws::{self, Credentials, Trouble};
use config::{FilesConfig, S3Url};
use domain::time::Time;

/// An upload in parts that is as old as this has been left behind: the longest that we make ends long before.
const LEFT_BEHIND: Duration = Duration::from_secs(86_400);

/// Servers of others have regions in name only; this is what they expect.
const ANY_REGION: &str = "us-east-1";

/// The region of the bucket; else what is missing.
pub(super) fn region(url: &S3Url) -> Result<String, String> {
    let elsewhere = url.endpoint.is_some().then(|| ANY_REGION.to_owned());
    aws::region(url.region.as_deref()).or(elsewhere).ok_or_else(|| {
        format!(
            "files.url names no region: add region=… to it, like s3://{}?region=eu-central-1, or set AWS_REGION",
            url.bucket
        )
    })
}

/// A bucket.
pub struct S3 {
    client: Client,
    bucket: String,
    /// What stands before our keys; empty or with a slash at its end.
    prefix: String,
}

impl S3 {
    /// The bucket of this URL. Nothing is asked of it yet.
    ///
    /// # Errors
    /// When no region is known.
    pub fn open(url: &S3Url, config: &FilesConfig) -> Result<Self, FileError> {
        let region = region(url).map_err(FileError::Refused)?;
        let fixed = match (&config.access_key_id, &config.secret_access_key) {
            (Some(id), Some(secret)) => Some((id.as_str(), secret.expose().as_str())),
            _ => None,
        };
        let mut builder = Builder::new()
            .behavior_version(aws::behavior())
            .region(Region::new(region))
            .credentials_provider(Credentials::new(fixed))
            .http_client(aws::http_client())
            .timeout_config(aws::timeouts())
            .retry_config(aws::retries())
            .force_path_style(url.path_style)
            // Not every server knows the checksums that AWS would like by default.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        if let Some(endpoint) = &url.endpoint {
            builder = builder.endpoint_url(endpoint.base());
        }
        Ok(Self {
            client: Client::from_conf(builder.build()),
            bucket: url.bucket.clone(),
            prefix: url.prefix.clone(),
        })
    }

    fn name(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    async fn read(&self, key: &FileKey, range: Option<ByteRange>) -> Result<Content, FileError> {
        let request = self.client.get_object().bucket(&self.bucket).key(self.name(key.as_str()));
        let request = request.set_range(range.map(ByteRange::header));
        let got = request.send().await.map_err(|error| fault(&error))?;
        let length = size(got.content_length());
        let (total, span) = match got.content_range().map(parts) {
            Some(Some((start, total))) => (total, Span { start, length }),
            Some(None) => return Err(nonsense("Content-Range")),
            // A server may answer with the whole file; then that is what was read.
            None => (length, Span::whole(length)),
        };
        let info = FileInfo {
            size: total,
            modified: time(got.last_modified()),
            etag: got.e_tag().unwrap_or_default().to_owned(),
        };
        Ok(Content { info, span, body: pieces(got.body) })
    }

    async fn look(&self, key: &FileKey) -> Result<FileInfo, FileError> {
        let request = self.client.head_object().bucket(&self.bucket).key(self.name(key.as_str()));
        let found = request.send().await.map_err(|error| fault(&error))?;
        Ok(FileInfo {
            size: size(found.content_length()),
            modified: time(found.last_modified()),
            etag: found.e_tag().unwrap_or_default().to_owned(),
        })
    }

    async fn page(
        &self,
        prefix: &FilePrefix,
        after: Option<&FileKey>,
        limit: usize,
    ) -> Result<Page, FileError> {
        let listed = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(self.name(prefix.as_str()))
            .set_start_after(after.map(|key| self.name(key.as_str())))
            .max_keys(i32::try_from(limit).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| fault(&error))?;
        let mut last = None;
        let mut page = Page::default();
        for object in listed.contents() {
            let name = object.key().unwrap_or_default();
            // What is none of ours was put there by somebody else, and is not shown.
            let Some(key) =
                name.strip_prefix(&self.prefix).and_then(|key| FileKey::parse(key).ok())
            else {
                continue;
            };
            last = Some(key.clone());
            let (size, modified) = (size(object.size()), time(object.last_modified()));
            page.files.push(Listed { key, size, modified });
        }
        page.next = last.filter(|_| listed.is_truncated().unwrap_or(false));
        Ok(page)
    }

    async fn presign(
        &self,
        key: &FileKey,
        terms: &Terms,
        now: Time,
        ttl: Duration,
    ) -> Result<String, FileError> {
        let since = Duration::from_micros(u64::try_from(now.micros()).unwrap_or_default());
        let signing = PresigningConfig::builder()
            .start_time(SystemTime::UNIX_EPOCH + since)
            .expires_in(ttl)
            .build()
            .map_err(|error| FileError::Refused(error.to_string()))?;
        let signed = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(self.name(key.as_str()))
            .response_content_type(&terms.content_type)
            .response_content_disposition(&terms.disposition)
            .presigned(signing)
            .await
            .map_err(|error| fault(&error))?;
        Ok(signed.uri().to_owned())
    }

    /// Ends uploads in parts that nobody goes on with: they can't be seen, but are paid for.
    async fn end_left_behind(&self, now: Time) -> Result<u64, FileError> {
        let before = now.minus(LEFT_BEHIND);
        let (mut gone, mut from) = (0, (None, None));
        loop {
            let listed = self
                .client
                .list_multipart_uploads()
                .bucket(&self.bucket)
                .prefix(self.name("projects/"))
                .set_key_marker(from.0)
                .set_upload_id_marker(from.1)
                .send()
                .await;
            let listed = match listed {
                // Some servers have no such list, and tidy up by themselves.
                Err(error) if error.code() == Some("NotImplemented") => return Ok(gone),
                listed => listed.map_err(|error| fault(&error))?,
            };
            for upload in listed.uploads() {
                let (Some(name), Some(id)) = (upload.key(), upload.upload_id()) else { continue };
                let is_old = upload.initiated().is_some_and(|at| time(Some(at)) < before);
                if is_old {
                    put::abort(&self.client, &self.bucket, name, id).await?;
                    gone += 1;
                }
            }
            if !listed.is_truncated().unwrap_or(false) {
                return Ok(gone);
            }
            from = (
                listed.next_key_marker().map(str::to_owned),
                listed.next_upload_id_marker().map(str::to_owned),
            );
            if from.0.is_none() {
                return Ok(gone);
            }
        }
    }
}

impl FileEngine for S3 {
    fn name(&self) -> &'static str {
        "s3"
    }

    fn put<'a>(
        &'a self,
        key: &'a FileKey,
        content_type: &'a str,
        upload: &'a mut Upload<'_>,
    ) -> Answer<'a, ()> {
        let name = Self::name(self, key.as_str());
        Box::pin(put::put(&self.client, &self.bucket, name, content_type, upload))
    }

    fn get<'a>(&'a self, key: &'a FileKey, range: Option<ByteRange>) -> Answer<'a, Content> {
        Box::pin(self.read(key, range))
    }

    fn head<'a>(&'a self, key: &'a FileKey) -> Answer<'a, FileInfo> {
        Box::pin(self.look(key))
    }

    fn delete<'a>(&'a self, key: &'a FileKey) -> Answer<'a, ()> {
        Box::pin(async move {
            let name = Self::name(self, key.as_str());
            let done = self.client.delete_object().bucket(&self.bucket).key(name).send().await;
            match done.map_err(|error| fault(&error)) {
                // S3 itself does not mind, other servers do.
                Ok(_) | Err(FileError::NotFound) => Ok(()),
                Err(error) => Err(error),
            }
        })
    }

    fn list<'a>(
        &'a self,
        prefix: &'a FilePrefix,
        after: Option<&'a FileKey>,
        limit: usize,
    ) -> Answer<'a, Page> {
        Box::pin(self.page(prefix, after, limit))
    }

    fn link<'a>(
        &'a self,
        key: &'a FileKey,
        terms: &'a Terms,
        now: Time,
        ttl: Duration,
    ) -> Answer<'a, String> {
        Box::pin(self.presign(key, terms, now, ttl))
    }

    fn sweep(&self, now: Time) -> Answer<'_, u64> {
        Box::pin(self.end_left_behind(now))
    }

    fn ping(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            let asked = self.client.head_bucket().bucket(&self.bucket).send().await;
            match asked.map_err(|error| fault(&error)) {
                Ok(_) => Ok(()),
                Err(FileError::NotFound) => {
                    Err(FileError::Refused(format!("there is no bucket {}", self.bucket)))
                }
                Err(error) => Err(error),
            }
        })
    }
}

/// What an error of the bucket means for the caller.
fn fault<E>(error: &SdkError<E, HttpResponse>) -> FileError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    match Trouble::of(error) {
        Trouble::Away(words) => FileError::Unavailable(words),
        // To HEAD there is no body, so that the status is all there is.
        Trouble::Refused { code, status, words } => match (code.as_str(), status) {
            ("NoSuchBucket", _) => FileError::Refused(words),
            ("NoSuchKey", _) | (_, 404) => FileError::NotFound,
            (_, 416) => FileError::OutOfRange,
            _ => FileError::Refused(words),
        },
    }
}

fn nonsense(what: &str) -> FileError {
    FileError::Unavailable(format!("the server's {what} can't be understood"))
}

/// Where the part begins and how long the whole is, of `bytes 2-4/10`.
fn parts(header: &str) -> Option<(u64, u64)> {
    let (range, total) = header.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.parse().ok()?, total.parse().ok()?))
}

fn size(length: Option<i64>) -> u64 {
    length.and_then(|length| u64::try_from(length).ok()).unwrap_or_default()
}

fn time(time: Option<&DateTime>) -> Time {
    let micros = time.map(|time| time.as_nanos() / 1000);
    Time::from_micros(micros.and_then(|micros| i64::try_from(micros).ok()).unwrap_or_default())
}

fn pieces(stream: ByteStream) -> Body {
    unfold(stream, async |mut stream| {
        let piece = stream.next().await?;
        Some((piece.map_err(io::Error::other), stream))
    })
    .boxed()
}
