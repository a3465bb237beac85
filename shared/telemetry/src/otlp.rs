//! Traces over OTLP.

use std::time::Duration;

use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

use super::traceparent::Traceparent;
use super::{OtlpConfig, TelemetryError};

/// How long one export may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What sends traces.
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Begins to send, if a collector is named.
    pub fn start(settings: &OtlpConfig) -> Result<Option<Self>, TelemetryError> {
        let Some(endpoint) = &settings.endpoint else { return Ok(None) };
        let url = format!("{}/v1/traces", endpoint.base());
        // The blocking client has a runtime of its own, which must not be made inside of ours.
        let exporter = on_a_thread(move || {
            let client = reqwest::blocking::Client::builder().timeout(TIMEOUT).build();
            let client = client.map_err(|error| error.to_string())?;
            let exporter = opentelemetry_otlp::SpanExporter::builder().with_http();
            let exporter = exporter.with_http_client(client).with_endpoint(url);
            exporter.with_timeout(TIMEOUT).build().map_err(|error| error.to_string())
        })?;
        let resource = Resource::builder()
            .with_service_name(settings.service_name.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let share = Sampler::TraceIdRatioBased(settings.sample_ratio);
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::ParentBased(Box::new(share)))
            .with_resource(resource)
            .build();
        Ok(Some(Self(provider)))
    }

    /// What turns spans into traces.
    pub fn layer<S>(&self) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: tracing::Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let tracer = self.0.tracer("bellbuoy");
        tracing_opentelemetry::layer().with_tracer(tracer).with_location(false).boxed()
    }

    /// Sends the rest.
    pub fn shutdown(self, within: Duration) {
        let done = on_a_thread(move || {
            self.0.shutdown_with_timeout(within).map_err(|error| error.to_string())
        });
        if let Err(error) = done {
            tracing::warn!(%error, "the last traces are lost");
        }
    }
}

fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, TelemetryError> {
    let done = std::thread::Builder::new().name("otlp".to_owned()).spawn(work);
    let done = done.map_err(|error| TelemetryError::Otlp(error.to_string()))?.join();
    done.unwrap_or_else(|_| Err("it panicked".to_owned())).map_err(TelemetryError::Otlp)
}

/// Makes `span` a part of the trace of `parent`; `None` when no traces are made.
pub fn begin(span: &Span, parent: Option<Traceparent>) -> Option<Traceparent> {
    if let Some(parent) = parent {
        let (trace, place, flags) = parent.parts();
        let remote = SpanContext::new(
            TraceId::from_bytes(trace),
            SpanId::from_bytes(place),
            TraceFlags::new(flags),
            true,
            TraceState::NONE,
        );
        span.set_parent(Context::new().with_remote_span_context(remote)).ok()?;
    }
    place(span)
}

/// Where `span` is in its trace; `None` when no traces are made.
pub fn place(span: &Span) -> Option<Traceparent> {
    let context = span.context();
    let place = context.span().span_context().clone();
    place.is_valid().then(|| {
        Traceparent::of(
            place.trace_id().to_bytes(),
            place.span_id().to_bytes(),
            place.trace_flags().to_u8(),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    /// A collector that takes one request and answers its first line.
    fn collector() -> (String, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let taken = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().expect("a request");
            let mut text = [0; 4096];
            let len = socket.read(&mut text).expect("read");
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            socket.write_all(answer.as_bytes()).expect("answered");
            String::from_utf8_lossy(&text[..len]).lines().next().unwrap_or_default().to_owned()
        });
        (url, taken)
    }

    // In a runtime, where a blocking client that is made or dropped carelessly panics.
    #[tokio::test]
    async fn a_trace_goes_on_and_is_sent_at_the_end() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (endpoint, taken) = collector();
        let env = [("BELLBUOY_OTLP_ENDPOINT".to_owned(), endpoint)].into();
        let sources = config::Sources { file: None, default_file: "/nowhere".into(), env };
        let settings = config::Config::load(sources).expect("a configuration").otlp;
        let traces = Traces::start(&settings).expect("started").expect("an endpoint");
        let guard =
            tracing::subscriber::set_default(tracing_subscriber::registry().with(traces.layer()));
        let span = tracing::error_span!("job");
        let place = super::super::context::begin(&span, Some(PARENT));
        assert_eq!(place.to_string()[..36], PARENT[..36]);
        assert_ne!(place.to_string(), PARENT);
        let inner = span
            .in_scope(|| tracing::error_span!("inner").in_scope(super::super::current_traceparent));
        assert_eq!(inner.expect("a place")[..36], PARENT[..36]);
        drop(span);
        drop(guard);
        traces.shutdown(TIMEOUT);
        assert_eq!(taken.join().expect("taken"), "POST /v1/traces HTTP/1.1");
    }
}
