//! The largest body, whether its length is said beforehand or comes in chunks.

use std::error::Error;
use std::io;

use futures_util::StreamExt;
use poem::http::{Method, header};
use poem::{Body, Request};
use shared::domain::fault::FaultCode;

use crate::problem::{Code, Problem};

/// A body of more than so many bytes.
#[derive(Debug, thiserror::Error)]
#[error("more than {0} bytes")]
pub struct TooLarge(pub usize);

impl TooLarge {
    /// The limit that was broken, if that is what went wrong.
    pub fn within(error: &io::Error) -> Option<&Self> {
        let mut inner: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(error) = inner {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(found);
            }
            // An error made by `io::Error::other` shows what it holds only by its own name, not as a source.
            inner = match error.downcast_ref::<io::Error>() {
                Some(error) => error.get_ref().map(|inner| inner as &(dyn Error + 'static)),
                None => error.source(),
            };
        }
        None
    }
}

/// The limits of bodies.
pub struct Limits {
    max_body: usize,
}

impl Limits {
    /// At most `max_body` bytes.
    pub const fn new(max_body: usize) -> Self {
        Self { max_body }
    }

    /// Refuses what is too large, or will once it is. A stream is read piece by piece, and has no limit.
    pub fn apply(&self, mut request: Request, is_stream: bool) -> Result<Request, Problem> {
        let length = length(&request)?;
        if is_stream {
            return Ok(request);
        }
        let max = self.max_body;
        match length {
            Some(length) if length > max as u64 => Err(crate::problem::too_large(Some(max))),
            // The server cuts a body off at the length that was said: there is nothing to watch.
            Some(_) => Ok(request),
            // Without either header a request has no body, and GET is the most frequent of those.
            None if *request.method() == Method::GET
                && !request.headers().contains_key(header::TRANSFER_ENCODING) =>
            {
                Ok(request)
            }
            None => {
                let body = request.take_body().into_bytes_stream();
                let mut left = max;
                let watched = body.map(move |chunk| {
                    let chunk = chunk?;
                    left = left
                        .checked_sub(chunk.len())
                        .ok_or_else(|| io::Error::other(TooLarge(max)))?;
                    Ok::<_, io::Error>(chunk)
                });
                request.set_body(Body::from_bytes_stream(watched));
                Ok(request)
            }
        }
    }
}

fn length(request: &Request) -> Result<Option<u64>, Problem> {
    let Some(value) = request.headers().get(header::CONTENT_LENGTH) else { return Ok(None) };
    let length = value.to_str().ok().and_then(|text| text.parse().ok());
    length.map(Some).ok_or_else(|| {
        let problem = Problem::parameter(
            "Content-Length",
            FaultCode::Invalid,
            "it must be a number of bytes",
        );
        Problem { code: Code::BadRequest, ..problem }
    })
}
