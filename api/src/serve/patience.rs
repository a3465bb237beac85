//! A socket that hangs up on clients who are too slow with their headers, or silent for too long between requests. While
//! a request is at work it waits: the limits of requests are elsewhere.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

/// Whether a request is at work: odd while one is, and another number each time that changes.
#[derive(Default)]
pub struct Phase(AtomicU64);

impl Phase {
    /// A request is at work.
    pub fn busy(&self) {
        self.0.fetch_or(1, Ordering::Release);
    }

    /// It is answered.
    pub fn idle(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    fn now(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// A socket with limited patience.
pub struct Patience {
    socket: TcpStream,
    phase: Arc<Phase>,
    seen: u64,
    started: bool,
    written: Instant,
    deadline: Pin<Box<Sleep>>,
    head: Duration,
    idle: Duration,
}

impl Patience {
    /// Waits for whole headers for `head`, and for their beginning for `idle`; for the very first ones for `head` too.
    pub fn new(socket: TcpStream, phase: Arc<Phase>, head: Duration, idle: Duration) -> Self {
        let deadline = Box::pin(sleep(head));
        let written = Instant::now();
        Self { socket, phase, seen: 0, started: true, written, deadline, head, idle }
    }

    fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let now = self.phase.now();
        if now & 1 == 1 {
            return Poll::Pending;
        }
        if now != self.seen {
            self.seen = now;
            self.started = false;
            self.deadline.as_mut().reset(Instant::now() + self.idle);
        }
        ready!(self.deadline.as_mut().poll(context));
        // An answer may be a stream that outlives its request: while it moves, nobody is silent.
        let until = self.written + self.idle;
        if self.started || until <= Instant::now() {
            return Poll::Ready(());
        }
        self.deadline.as_mut().reset(until);
        self.deadline.as_mut().poll(context)
    }
}

impl AsyncRead for Patience {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        if let Poll::Ready(done) = Pin::new(&mut this.socket).poll_read(context, buffer) {
            let is_idle = this.phase.now() & 1 == 0;
            if buffer.filled().len() > before && is_idle && !this.started {
                // The first byte of the next request: from here the headers have their time.
                this.seen = this.phase.now();
                this.started = true;
                this.deadline.as_mut().reset(Instant::now() + this.head);
            }
            return Poll::Ready(done);
        }
        ready!(this.poll_patience(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Patience {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.written = Instant::now();
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.written = Instant::now();
        Pin::new(&mut self.socket).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}
