//! What HTTP costs at least: a poem server that gives back what it got, in a process of its own as the API is.

use std::net::SocketAddr;
use std::time::Duration;

use poem::listener::TcpListener;
use poem::{Route, Server, handler, post};

use crate::bench::Bench;
use crate::load::{self, Load};
use crate::process::{Process, Start, free_port};
use crate::stats::{ROUNDS, Sample, median, rate};

/// The figure that others are compared to.
pub const NAME: &str = "HTTP echo";

#[handler]
fn echo(body: Vec<u8>) -> Vec<u8> {
    body
}

/// Serves it until it is ended.
///
/// # Errors
/// When the address is taken.
pub async fn serve(address: SocketAddr) -> anyhow::Result<()> {
    let routes = Route::new().at("/api/v1/events", post(echo));
    Ok(Server::new(TcpListener::bind(address)).run(routes).await?)
}

/// Measures it.
pub async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let own = std::env::current_exe()?.display().to_string();
    let command = [own, "--serve-echo".to_owned(), address.to_string()];
    let folder = bench.folder.path();
    let start =
        Start { name: "echo", command: &command, user: None, env: &[], folder, signal: "TERM" };
    let mut server = Process::start(&start)?;
    server.await_ready(async || tokio::net::TcpStream::connect(address).await.is_ok()).await?;
    let load = |first: u64, count: u64| Load {
        target: address,
        key: "bb_0123456789ab_".to_owned() + &"0".repeat(64),
        expect: 200,
        connections: 32,
        first,
        count,
        pause: Duration::ZERO,
        limit: Duration::from_secs(60),
    };
    let warming = bench.numbers(bench.scaled(10_000));
    load::run(load(warming.start, warming.end - warming.start)).await?;
    let (mut rates, mut all) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let numbers = bench.numbers(bench.scaled(60_000));
        let count = numbers.end - numbers.start;
        let done = load::run(load(numbers.start, count)).await?;
        rates.push(rate(count, done.took));
        all.extend(done.sent.iter().map(|one| one.took));
    }
    let sample = Sample::of(all);
    bench.report.add(NAME, median(rates), "req/s");
    bench.report.add("HTTP echo, p50", sample.millis(0.5), "ms");
    bench.report.add("HTTP echo, p99", sample.millis(0.99), "ms");
    Ok(())
}
