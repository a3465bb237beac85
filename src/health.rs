//! `bellbuoy health`: asks the process that runs on this machine how it is, for the health checks of containers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use config::Config;
use runtime::process::Failure;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::out::say;

/// How long it may take: longer than the two seconds that it gives each of its dependencies.
const PATIENCE: Duration = Duration::from_secs(5);

/// More than any answer has.
const LONGEST: u64 = 64 << 10;

/// Asks, prints the answer, and fails when it is not good.
pub async fn run(config: Config, live: bool) -> Result<ExitCode, Failure> {
    let path = if live { "/live" } else { "/ready" };
    let address = reachable(config.ops.listen);
    let asked = tokio::time::timeout(PATIENCE, ask(address, path)).await;
    let late = |_| format!("no answer within {} s", PATIENCE.as_secs());
    let (status, body) = asked
        .map_err(late)
        .and_then(|answer| answer.map_err(|error| error.to_string()))
        .map_err(|why| format!("http://{address}{path}: {why}"))?;
    say!("{}", body.trim_end());
    Ok(if status == 200 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where a process can be asked that listens there: one that listens everywhere listens on this machine too.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    address
}

/// One request of HTTP/1.0, whose answer ends with the connection: no client is needed for that.
async fn ask(address: SocketAddr, path: &str) -> std::io::Result<(u16, String)> {
    let mut socket = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    socket.take(LONGEST).read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    status.zip(body).ok_or_else(|| std::io::Error::other("it does not answer as we do"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_listens_everywhere_is_asked_here() {
        for (listens, asked) in [
            ("0.0.0.0:8081", "127.0.0.1:8081"),
            ("[::]:8081", "[::1]:8081"),
            ("10.0.0.7:8081", "10.0.0.7:8081"),
        ] {
            let listens: SocketAddr = listens.parse().expect("an address");
            assert_eq!(reachable(listens).to_string(), asked);
        }
    }
}
