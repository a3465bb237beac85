//! W3C trace context: taken from requests and jobs, kept in spans, given on with jobs.
//!
//! Without an exporter of traces the context still travels, so that others' traces don't break at us.

use tracing::Span;
use tracing_subscriber::registry::LookupSpan;

use super::Spans;
use super::traceparent::Traceparent;

/// Makes `span` a part of the trace that `parent` names, or of a new one; answers its own place in it. To be called
/// before the span is entered.
pub fn begin(span: &Span, parent: Option<&str>) -> Traceparent {
    let parent = parent.and_then(Traceparent::parse);
    #[cfg(feature = "otlp")]
    if let Some(place) = super::otlp::begin(span, parent) {
        return place;
    }
    let place = parent.map_or_else(Traceparent::fresh, Traceparent::child);
    keep(span, place);
    place
}

/// Makes `span` a part of the trace that a job brought; one that can't be read begins a new trace.
pub fn set_parent(span: &Span, traceparent: &str) {
    begin(span, Some(traceparent));
}

/// Where in a trace we are, to be given on with a job or a call.
pub fn current_traceparent() -> Option<String> {
    let span = Span::current();
    #[cfg(feature = "otlp")]
    if let Some(place) = super::otlp::place(&span) {
        return Some(place.to_string());
    }
    kept(&span).map(|place| place.to_string())
}

fn keep(span: &Span, place: Traceparent) {
    span.with_subscriber(|(id, dispatch)| {
        if let Some(span) = dispatch.downcast_ref::<Spans>().and_then(|spans| spans.span(id)) {
            span.extensions_mut().replace(place);
        }
    });
}

fn kept(span: &Span) -> Option<Traceparent> {
    let find = |(id, dispatch): (&tracing::span::Id, &tracing::Dispatch)| {
        let spans = dispatch.downcast_ref::<Spans>()?;
        let mut scope = spans.span(id)?.scope();
        scope.find_map(|span| span.extensions().get::<Traceparent>().copied())
    };
    span.with_subscriber(find).flatten()
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn reads_what_w3c_allows() {
        let read = Traceparent::parse(GOOD).expect("valid");
        assert_eq!(read.to_string(), GOOD);
        assert!(
            Traceparent::parse(&GOOD.replacen("00-", "cc-", 1).replace("-01", "-01-x")).is_some()
        );
        for bad in [
            "",
            &GOOD[1..],
            &format!("{GOOD}-x"),
            &GOOD.to_uppercase(),
            &GOOD.replacen("00-", "ff-", 1),
            &GOOD.replacen("00-", "0x-", 1),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473ä-0f067aa0ba902b7-01",
        ] {
            assert_eq!(Traceparent::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_span_carries_its_place_to_what_runs_inside() {
        let _guard = tracing::subscriber::set_default(
            tracing_subscriber::registry().with(tracing_subscriber::EnvFilter::new("error")),
        );
        assert_eq!(current_traceparent(), None);
        let span = tracing::error_span!("job");
        let place = begin(&span, Some(GOOD));
        assert_eq!(place.to_string()[..35], GOOD[..35]);
        assert_ne!(place.to_string(), GOOD);
        span.in_scope(|| {
            tracing::error_span!("inner").in_scope(|| {
                assert_eq!(current_traceparent(), Some(place.to_string()));
            });
        });
        let other = tracing::error_span!("job");
        set_parent(&other, "nonsense");
        let fresh = other.in_scope(current_traceparent).expect("a new trace");
        assert!(Traceparent::parse(&fresh).is_some());
    }
}
