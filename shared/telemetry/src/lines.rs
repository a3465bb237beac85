//! Log lines as JSON, written straight into the line. The ready-made format keeps the fields of a span as JSON, and reads
//! and sorts them again for every line and every field that is added, which costs more than all else about a line.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// A line: when, how grave, the fields of the event, where it happened, and the spans around it from the outside in.
pub struct Lines;

/// The fields of a span, each with a comma before it, so that they can stand in an object behind its name.
pub struct Members;

impl<'writer> FormatFields<'writer> for Members {
    fn format_fields<R: RecordFields>(
        &self,
        mut writer: Writer<'writer>,
        fields: R,
    ) -> fmt::Result {
        let mut visitor = Visitor { out: &mut writer, target: None, done: Ok(()) };
        fields.record(&mut visitor);
        visitor.done
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        fields: &tracing::span::Record<'_>,
    ) -> fmt::Result {
        self.format_fields(current.as_writer(), fields)
    }
}

impl<S> FormatEvent<S, Members> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, Members>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let meta = event.metadata();
        writer.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, "\",\"level\":\"{}\"", meta.level())?;
        let mut visitor = Visitor { out: &mut writer, target: None, done: Ok(()) };
        event.record(&mut visitor);
        visitor.done?;
        let target = visitor.target;
        writer.write_str(",\"target\":")?;
        text(&mut writer, target.as_deref().unwrap_or_else(|| meta.target()))?;
        if let Some(scope) = context.event_scope() {
            let mut before = ",\"spans\":[{\"name\":";
            for span in scope.from_root() {
                writer.write_str(before)?;
                before = "},{\"name\":";
                text(&mut writer, span.name())?;
                if let Some(members) = span.extensions().get::<FormattedFields<Members>>() {
                    writer.write_str(members)?;
                }
            }
            writer.write_str("}]")?;
        }
        writer.write_str("}\n")
    }
}

/// Writes fields as members of an object.
struct Visitor<'a, 'w> {
    out: &'a mut Writer<'w>,
    /// Where it happened, for what came through `log`, which says it in a field.
    target: Option<String>,
    done: fmt::Result,
}

impl Visitor<'_, '_> {
    fn member(&mut self, field: &Field, write: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        let name = field.name();
        if self.done.is_err() || name.starts_with("log.") {
            return;
        }
        self.done = self.out.write_char(',').and_then(|()| {
            text(self.out, name.strip_prefix("r#").unwrap_or(name))?;
            self.out.write_char(':')?;
            write(self.out)
        });
    }
}

impl Visit for Visitor<'_, '_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "log.target" {
            self.target = Some(value.to_owned());
        }
        self.member(field, |out| text(out, value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, |out| write!(out, "{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, |out| write!(out, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, |out| write!(out, "{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no word for what is no number.
        self.member(field, |out| match value.is_finite() {
            true => write!(out, "{value}"),
            false => out.write_str("null"),
        });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.member(field, |out| {
            out.write_char('"')?;
            write!(Escaping(out), "{value:?}")?;
            out.write_char('"')
        });
    }
}

/// A text in quotes.
fn text(out: &mut Writer<'_>, text: &str) -> fmt::Result {
    out.write_char('"')?;
    Escaping(out).write_str(text)?;
    out.write_char('"')
}

/// Writes what JSON wants escaped so.
struct Escaping<'a, 'w>(&'a mut Writer<'w>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, mut rest: &str) -> fmt::Result {
        let must = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
        while let Some(at) = rest.bytes().position(must) {
            // What must be escaped is ASCII, so that a text can be cut before and after it.
            let (plain, after) = rest.split_at(at);
            self.0.write_str(plain)?;
            match after.as_bytes().first() {
                Some(b'"') => self.0.write_str("\\\"")?,
                Some(b'\\') => self.0.write_str("\\\\")?,
                Some(b'\n') => self.0.write_str("\\n")?,
                Some(b'\r') => self.0.write_str("\\r")?,
                Some(b'\t') => self.0.write_str("\\t")?,
                Some(other) => write!(self.0, "\\u{other:04x}")?,
                None => {}
            }
            rest = after.get(1..).unwrap_or_default();
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("a page").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_an_object_with_everything_in_it() {
        let page = Page::default();
        let to = page.clone();
        let layer = tracing_subscriber::fmt::layer()
            .fmt_fields(Members)
            .event_format(Lines)
            .with_writer(move || to.clone());
        let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        tracing::info!(ms = 1.5, no = f64::NAN, "alone");
        let outer = tracing::info_span!("http", id = "a\"b\\c", project = tracing::field::Empty);
        outer.in_scope(|| {
            outer.record("project", tracing::field::display("p\u{1}ä"));
            tracing::info_span!("inner").in_scope(|| {
                let words = "two\nlines\tand \u{1f514}";
                tracing::warn!(status = 202_u16, fine = true, %words, text = words, left = -1, "said {}", "so");
            });
        });
        let lines = String::from_utf8(page.0.lock().expect("a page").clone()).expect("UTF-8");
        let lines: Vec<serde_json::Value> =
            lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let [alone, inside] = lines.as_slice() else { panic!("{lines:?}") };
        assert!(alone["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')));
        assert_eq!((&alone["ms"], &alone["no"]), (&1.5.into(), &serde_json::Value::Null));
        assert_eq!((&alone["level"], &alone["message"]), (&"INFO".into(), &"alone".into()));
        assert!(alone.get("spans").is_none());
        assert_eq!(inside["target"], module_path!());
        assert_eq!(inside["message"], "said so");
        assert_eq!((&inside["status"], &inside["left"]), (&202.into(), &(-1).into()));
        assert_eq!(inside["fine"], true);
        for name in ["words", "text"] {
            assert_eq!(inside[name], "two\nlines\tand \u{1f514}");
        }
        let spans = serde_json::json!([
            { "name": "http", "id": "a\"b\\c", "project": "p\u{1}ä" },
            { "name": "inner" },
        ]);
        assert_eq!(inside["spans"], spans);
    }
}
