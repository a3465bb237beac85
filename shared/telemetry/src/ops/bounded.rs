//! A listener whose connections are few: with one too many the oldest ends, so that whoever opens connections and says
//! nothing takes neither our descriptors nor the port from those who scrape.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use poem::listener::Acceptor;
use poem::web::{LocalAddr, RemoteAddr};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};

/// A listener with at most `most` connections at once.
pub(super) struct Bounded<A> {
    inner: A,
    most: usize,
    open: VecDeque<CancellationToken>,
}

impl<A> Bounded<A> {
    pub(super) const fn new(inner: A, most: usize) -> Self {
        Self { inner, most, open: VecDeque::new() }
    }
}

impl<A: Acceptor> Acceptor for Bounded<A> {
    type Io = Ending<A::Io>;

    fn local_addr(&self) -> Vec<LocalAddr> {
        self.inner.local_addr()
    }

    async fn accept(
        &mut self,
    ) -> io::Result<(Self::Io, LocalAddr, RemoteAddr, poem::http::uri::Scheme)> {
        let (io, local, remote, scheme) = self.inner.accept().await?;
        // Those that ended by themselves have ended theirs.
        self.open.retain(|end| !end.is_cancelled());
        while self.open.len() >= self.most
            && let Some(oldest) = self.open.pop_front()
        {
            oldest.cancel();
        }
        let end = CancellationToken::new();
        self.open.push_back(end.clone());
        let ended = Box::pin(end.clone().cancelled_owned());
        Ok((Ending { io, ended, _gone: end.drop_guard() }, local, remote, scheme))
    }
}

/// A connection that may be ended from elsewhere.
pub(super) struct Ending<T> {
    io: T,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    _gone: DropGuard,
}

impl<T> Ending<T> {
    /// Fails once it is to end; whoever waits is woken then.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.ended.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Ending<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Ending<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
