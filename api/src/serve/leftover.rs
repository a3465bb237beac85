//! What is left of a body once its request is answered. A connection can only go on behind the end of it: if little is
//! left it is read and thrown away, else the answer says that the connection ends. Without that, a client that keeps its
//! connections would send its next request into one that is closed.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;
use hyper::body::{Body as _, Frame, SizeHint};
use poem::Request;
use poem::http::header;

/// What is thrown away at most, in bytes.
const LITTLE: u64 = 64 << 10;
/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(1);

type Body = BoxBody<Bytes, io::Error>;

/// Where the rest of a body comes back to.
pub struct Leftover(Mutex<Rest>);

/// What is left of a body.
enum Rest {
    /// Nothing, or nothing yet.
    Nothing,
    /// This.
    Some(Body),
    /// What can't be read: the body broke off, or the client waits for a word before it sends it.
    Lost,
}

impl Leftover {
    /// Watches the body of `request`; nothing when it has none.
    pub fn watch(request: &mut Request) -> Option<Arc<Self>> {
        let body = Body::from(request.take_body());
        if body.is_end_stream() {
            request.set_body(body);
            return None;
        }
        let waits = request.headers().contains_key(header::EXPECT);
        let leftover = Arc::new(Self(Mutex::new(Rest::Nothing)));
        let watched = Watched { body: Some(body), waits, leftover: Arc::clone(&leftover) };
        request.set_body(Body::new(watched));
        Some(leftover)
    }

    /// Reads what is left, if it is little; answers whether the connection may go on.
    pub async fn clear(&self) -> bool {
        let rest = std::mem::replace(&mut *self.lock(), Rest::Nothing);
        let mut rest = match rest {
            Rest::Nothing => return true,
            Rest::Lost => return false,
            Rest::Some(body) => body,
        };
        if rest.size_hint().lower() > LITTLE {
            return false;
        }
        let read = async {
            let mut left = LITTLE;
            while let Some(frame) = rest.frame().await {
                let Ok(frame) = frame else { return false };
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                let Some(less) = left.checked_sub(length) else { return false };
                left = less;
            }
            true
        };
        tokio::time::timeout(PATIENCE, read).await.unwrap_or(false)
    }

    fn lock(&self) -> MutexGuard<'_, Rest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body that comes back when it is dropped before its end.
struct Watched {
    body: Option<Body>,
    /// Whether the client still waits for a word before it sends the body. It gets it once the body is read.
    waits: bool,
    leftover: Arc<Leftover>,
}

impl hyper::body::Body for Watched {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.waits = false;
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(context));
        match &frame {
            Some(Ok(_)) => {}
            Some(Err(_)) => {
                self.body = None;
                *self.leftover.lock() = Rest::Lost;
            }
            None => self.body = None,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) else { return };
        *self.leftover.lock() = if self.waits { Rest::Lost } else { Rest::Some(body) };
    }
}
