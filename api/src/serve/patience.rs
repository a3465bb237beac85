//! A socket that hangs up on clients who are too slow with their headers, silent for too long between requests, or too
//! slow in taking an answer. While a request is at work it waits: the limits of requests are elsewhere.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

/// How long a client that was told that the connection ends may go on sending. What it sends is thrown away: were the
/// socket closed at once, the system would tell it of that before it could read the answer.
const LINGER: Duration = Duration::from_secs(2);

/// How long clients may take.
#[derive(Clone, Copy)]
pub struct Limits {
    /// For their headers.
    pub head: Duration,
    /// Until they begin their next request.
    pub idle: Duration,
    /// The bytes of an answer that they must take within `idle`, as long as it has as many; 0 is any.
    pub least: u64,
}

/// Whether a request is at work: odd while one is, and another number each time that changes.
#[derive(Default)]
pub struct Phase(AtomicU64, AtomicBool);

impl Phase {
    /// A request is at work.
    pub fn busy(&self) {
        self.0.fetch_or(1, Ordering::Release);
    }

    /// It is answered.
    pub fn idle(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    /// The connection ends before all was read that the client sends.
    pub fn linger(&self) {
        self.1.store(true, Ordering::Release);
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
    /// When enough of an answer was taken last, and what was taken since.
    moved: Instant,
    taken: u64,
    deadline: Pin<Box<Sleep>>,
    limits: Limits,
    is_lingering: bool,
}

impl Patience {
    /// Waits for whole headers for `head`, and for their beginning for `idle`; for the very first ones for `head` too.
    pub fn new(socket: TcpStream, phase: Arc<Phase>, limits: Limits) -> Self {
        let deadline = Box::pin(sleep(limits.head));
        let (moved, taken) = (Instant::now(), 0);
        Self {
            socket,
            phase,
            seen: 0,
            started: true,
            moved,
            taken,
            deadline,
            limits,
            is_lingering: false,
        }
    }

    fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let now = self.phase.now();
        if now & 1 == 1 {
            return Poll::Pending;
        }
        if now != self.seen {
            self.seen = now;
            self.started = false;
            self.moved = Instant::now();
            self.taken = 0;
            self.deadline.as_mut().reset(self.moved + self.limits.idle);
        }
        ready!(self.deadline.as_mut().poll(context));
        // An answer may be a stream that outlives its request: while it moves, and fast enough, nobody is silent.
        let until = self.moved + self.limits.idle;
        if self.started || until <= Instant::now() {
            return Poll::Ready(());
        }
        self.deadline.as_mut().reset(until);
        self.deadline.as_mut().poll(context)
    }

    /// Counts what was taken of an answer. While nothing can be written the patience runs out too: reading, which
    /// watches it otherwise, rests when the next request is there already.
    fn count(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => {
                self.taken += bytes as u64;
                if self.taken >= self.limits.least {
                    self.taken = 0;
                    self.moved = Instant::now();
                }
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(error) => Poll::Ready(error),
            Poll::Pending => {
                ready!(self.poll_patience(context));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    /// Throws away what still comes, for a while.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_lingering {
            self.is_lingering = true;
            self.deadline.as_mut().reset(Instant::now() + LINGER);
        }
        let mut thrown = [0; 4096];
        loop {
            if self.deadline.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut buffer = ReadBuf::new(&mut thrown);
            let read = ready!(Pin::new(&mut self.socket).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
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
                this.deadline.as_mut().reset(Instant::now() + this.limits.head);
            }
            return Poll::Ready(done);
        }
        ready!(this.poll_patience(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Patience {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write(context, bytes);
        this.count(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.socket).poll_shutdown(context))?;
        if self.phase.1.load(Ordering::Acquire) {
            self.poll_linger(context)
        } else {
            Poll::Ready(Ok(()))
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write_vectored(context, buffers);
        this.count(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}
