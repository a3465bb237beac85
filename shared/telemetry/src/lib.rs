//! Logs, metrics and traces of this process.
//!
//! What is secret is of a type whose `Debug` and `Display` don't show it; that is the rule. What slips through is caught
//! in the finished line: our API keys and webhook secrets are blotted out there.

pub mod context;
mod lines;
mod log_buffer;
mod metrics;
#[cfg(feature = "otlp")]
pub mod ops;
mod otlp;
pub mod process;
mod redact;
mod traceparent;

use std::io::{self, IsTerminal, Stdout};
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use config::{LogConfig, LogFormat, OtlpConfig};

use lines::{Lines, Members};
use log_buffer::LogBuffer;
use redact::Redacting;

pub use context::{current_traceparent, set_parent};
pub use traceparent::Traceparent;

/// Why telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter can't be read.
    #[error("log.filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// There is telemetry in this process already.
    #[error("telemetry was set up before: {0}")]
    Twice(String),
    /// The exporter of traces can't be made.
    #[error("otlp: {0}")]
    Otlp(String),
    /// Nothing lets the lines out.
    #[error("logs: {0}")]
    Log(#[from] io::Error),
}

/// The telemetry of this process. It must be shut down at the end, or the last lines and traces are lost.
#[must_use]
pub struct Telemetry {
    metrics: PrometheusHandle,
    /// Lines for people go out by themselves.
    lines: Option<LogBuffer<Stdout>>,
    #[cfg(feature = "otlp")]
    traces: Option<otlp::Traces>,
}

/// What is wrong with a filter, if anything is.
pub fn filter_fault(filter: &str) -> Option<String> {
    EnvFilter::try_new(filter).err()?;
    let right = "directives like info or bellbuoy=debug stand between commas, each with a level out of off, error, \
                 warn, info, debug, trace";
    // The parser tells that something is wrong, not where.
    let wrong = |(_, part): &(usize, &str)| EnvFilter::try_new(part.trim()).is_err();
    let found = filter.split(',').enumerate().find(wrong);
    Some(match found {
        Some((at, _)) => format!("directive {} can't be read; {right}", at + 1),
        None => format!("can't be read; {right}"),
    })
}

/// Installs the one TLS provider there is; a second call finds it there, which is as good.
pub fn install_tls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Sets up logs, metrics and, where a collector is named, traces. To be called once, first thing.
///
/// # Errors
/// When the settings can't be followed, or it was called before.
pub fn init(log: &LogConfig, otlp: &OtlpConfig) -> Result<Telemetry, TelemetryError> {
    install_tls();
    let filter = EnvFilter::try_new(&log.filter)?;
    let twice = |error: &dyn std::fmt::Display| TelemetryError::Twice(error.to_string());
    let outlet = match log.format {
        LogFormat::Pretty => None,
        LogFormat::Json => Some(LogBuffer::start(io::stdout())?),
    };
    let registry = tracing_subscriber::registry().with(filter).with(lines(outlet.clone()));
    #[cfg(feature = "otlp")]
    let traces = otlp::Traces::start(otlp)?;
    #[cfg(feature = "otlp")]
    let registry = registry.with(traces.as_ref().map(otlp::Traces::layer));
    registry.try_init().map_err(|error| twice(&error))?;
    #[cfg(not(feature = "otlp"))]
    if otlp.endpoint.is_some() {
        tracing::warn!("otlp.endpoint is set, but this build has no otlp: no traces are sent");
    }
    let metrics = metrics::install().map_err(|error| twice(&error))?;
    Ok(Telemetry {
        metrics,
        lines: outlet,
        #[cfg(feature = "otlp")]
        traces,
    })
}

/// People are told at once, collectors of logs a moment later.
fn lines<S>(outlet: Option<LogBuffer<Stdout>>) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    match outlet {
        None => fmt::layer()
            .with_ansi(io::stdout().is_terminal())
            .with_writer(|| Redacting(io::stdout()))
            .boxed(),
        Some(outlet) => {
            fmt::layer().fmt_fields(Members).event_format(Lines).with_writer(outlet).boxed()
        }
    }
}

impl Telemetry {
    /// What renders the metrics.
    pub fn metrics(&self) -> PrometheusHandle {
        self.metrics.clone()
    }

    /// Sends what is still unsent. It blocks, for at most `within`; to be called at the very end.
    pub fn shutdown(self, within: Duration) {
        let _ = self.lines.map(|lines| lines.flush());
        #[cfg(feature = "otlp")]
        if let Some(traces) = self.traces {
            traces.shutdown(within);
        }
        #[cfg(not(feature = "otlp"))]
        let _ = within;
    }
}

/// Tests need the registry's type to look into spans.
pub(crate) type Spans = Registry;
