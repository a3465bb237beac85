//! The socket. hyper is driven here, for poem's own server has neither a limit of connections nor of the time that headers
//! may take.

mod addresses;
mod leftover;
mod patience;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use poem::http::uri::Scheme;
use poem::http::{HeaderValue, header};
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, Endpoint, Response};
use runtime::app::App;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use addresses::{Addresses, turn_away};
use leftover::Leftover;
use patience::{Limits, Patience, Phase};

/// How long a connection may wait for its next request. More than the 60 s of usual load balancers, so that it is they who
/// hang up, and never on a request that they just sent.
const IDLE: Duration = Duration::from_secs(75);
/// The most that the headers of a request may take, in bytes; more is answered with 431.
const MAX_HEAD: usize = 32 << 10;
/// What a connection may hold of what was sent, in bytes. It bounds the memory of all of them, and is no limit of headers:
/// hyper looks at it only between reads.
const MAX_BUFFER: usize = 64 << 10;
/// What is said when a connection can't go on behind its request.
const CLOSE: HeaderValue = HeaderValue::from_static("close");
/// How long to wait when the system has no more sockets to give.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves the API until `stop`; then lets running requests end, for as long as `http.shutdown_grace` says.
///
/// # Errors
/// When the listener is none.
pub async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    stop: CancellationToken,
) -> io::Result<()> {
    let local = listener.local_addr()?;
    tracing::info!(address = %local, "the API listens");
    let endpoint = Arc::new(crate::endpoint(&app));
    let http = &app.config.http;
    let slots = Arc::new(Semaphore::new(http.max_connections));
    let addresses = Addresses::new(http.max_connections_per_address, http.trusted_proxies.clone());
    let addresses = Arc::new(addresses);
    let connections = TaskTracker::new();
    let least = http.stream_min_rate.bytes().saturating_mul(IDLE.as_secs());
    let limits = Limits { head: http.header_timeout, idle: IDLE, least };
    while let Some(accepted) = stop.run_until_cancelled(next(&listener, &slots)).await {
        let (slot, socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Some(place) = addresses.enter(peer.ip()) else {
            tracing::debug!(address = %peer.ip(), "a connection was one too many from its address");
            turn_away(socket);
            continue;
        };
        let (endpoint, stop) = (Arc::clone(&endpoint), stop.clone());
        connections.spawn(async move {
            let ends = (LocalAddr(Addr::from(local)), RemoteAddr(Addr::from(peer)));
            talk(socket, ends, endpoint, limits, stop).await;
            drop((place, slot));
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(http.shutdown_grace, connections.wait()).await.is_err() {
        tracing::warn!(left = connections.len(), "requests were cut off: the grace period is over");
    }
    Ok(())
}

type Slot = tokio::sync::OwnedSemaphorePermit;

async fn next(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(Slot, TcpStream, std::net::SocketAddr)> {
    // Further connections wait in the system's own queue.
    let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
    let (socket, peer) = listener.accept().await?;
    // Small answers must not wait for the acknowledgement of the one before.
    socket.set_nodelay(true)?;
    Ok((slot, socket, peer))
}

async fn talk<E: Endpoint<Output = Response> + 'static>(
    socket: TcpStream,
    ends: (LocalAddr, RemoteAddr),
    endpoint: Arc<E>,
    limits: Limits,
    stop: CancellationToken,
) {
    let phase = Arc::new(Phase::default());
    let socket = Patience::new(socket, Arc::clone(&phase), limits);
    let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| {
        let (endpoint, phase) = (Arc::clone(&endpoint), Arc::clone(&phase));
        let (local, remote) = ends.clone();
        async move {
            phase.busy();
            let mut request = poem::Request::from((request, local, remote, Scheme::HTTP));
            let leftover = Leftover::watch(&mut request);
            let mut response = endpoint.get_response(request).await;
            if let Some(leftover) = leftover
                && !leftover.clear().await
            {
                response.headers_mut().insert(header::CONNECTION, CLOSE);
                phase.linger();
            }
            phase.idle();
            Ok::<_, std::convert::Infallible>(hyper::Response::from(response))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_header_size(MAX_HEAD)
        .max_buf_size(MAX_BUFFER)
        .serve_connection(TokioIo::new(socket), service);
    let mut connection = std::pin::pin!(connection);
    let done = tokio::select! {
        done = connection.as_mut() => done,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = done {
        // A client that hangs up is no failure of ours.
        tracing::debug!(%error, "a connection ended early");
    }
}
