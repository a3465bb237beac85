//! NDJSON: the batch function in chunks, with as much memory as one chunk needs.

use std::time::Duration;

use crate::door::Api;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde_json::value::RawValue;
use shared::accept::{Accepted, Refused};
use shared::domain::intake::NewEvent;
use shared::id::{KeyId, ProjectId};

use super::accept;
use super::wire::{ImportReport, LineError};
use crate::body::{BYTE_ORDER_MARK, cause, is_utf8_of, judge_media_type, utf8};
use crate::problem::{Code, FieldError, Problem, unread};

/// How many errors are told one by one.
const TOLD: usize = 100;
/// What an event may have besides its payload, in bytes.
const AROUND: usize = 16 << 10;
const MEDIA_TYPE: &str = "application/x-ndjson";

/// A body of lines, not yet read.
pub struct Lines(poem::Body);

impl<'a> ApiExtractor<'a> for Lines {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn request_meta() -> Option<MetaRequest> {
        let schema = MetaSchema {
            description: Some("One event per line, each as `NewEvent` has it."),
            ..MetaSchema::new("string")
        };
        let schema = MetaSchemaRef::Inline(Box::new(schema));
        let content = vec![MetaMediaType { content_type: MEDIA_TYPE, schema }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let fits =
            |given: &str| is_utf8_of(given, MEDIA_TYPE) || is_utf8_of(given, "application/jsonl");
        judge_media_type(request, fits, MEDIA_TYPE)?;
        Ok(body.take().map(Self).map_err(|error| unread(&error))?)
    }
}

/// Imports what comes, until it ends.
///
/// # Errors
/// When the body or the store breaks off; what was accepted by then stays.
pub async fn run(
    app: &Api,
    project: ProjectId,
    key: KeyId,
    lines: Lines,
) -> Result<ImportReport, Problem> {
    let mut import = Import::new(app, project, key);
    let mut reader = Reader::new(app.accept.max_payload + AROUND);
    let mut stream = std::pin::pin!(lines.0.into_bytes_stream());
    while let Some(piece) = import.next(&mut stream, app.http.request_timeout).await? {
        reader.feed(&piece);
        while let Some(line) = reader.line() {
            import.take(line).await?;
        }
    }
    if let Some(line) = reader.rest() {
        import.take(line).await?;
    }
    import.send().await?;
    Ok(import.report)
}

struct Import<'a> {
    app: &'a Api,
    project: ProjectId,
    key: KeyId,
    line: u64,
    report: ImportReport,
    numbers: Vec<u64>,
    chunk: Vec<NewEvent>,
    bytes: usize,
}

impl<'a> Import<'a> {
    fn new(app: &'a Api, project: ProjectId, key: KeyId) -> Self {
        let (report, numbers, chunk) = Default::default();
        Self { app, project, key, line: 0, report, numbers, chunk, bytes: 0 }
    }

    async fn next<S>(&self, stream: &mut S, patience: Duration) -> Result<Option<Bytes>, Problem>
    where
        S: Stream<Item = std::io::Result<Bytes>> + Unpin,
    {
        match tokio::time::timeout(patience, stream.next()).await {
            Ok(None) => Ok(None),
            Ok(Some(Ok(piece))) => Ok(Some(piece)),
            Ok(Some(Err(_))) => Err(Problem::new(
                Code::BadRequest,
                self.broken("The body ended before it was whole"),
            )),
            Err(_) => {
                let problem = Problem::new(Code::Timeout, self.broken("Nothing more came"));
                Err(problem.after(Duration::from_secs(1)))
            }
        }
    }

    fn broken(&self, what: &str) -> String {
        let ImportReport { accepted, replayed, .. } = self.report;
        let kept = accepted + replayed;
        format!("{what} at line {}; {kept} events are kept, and stay so.", self.line + 1)
    }

    async fn take(&mut self, line: Line) -> Result<(), Problem> {
        self.line += 1;
        let text = match line {
            Line::TooLong => {
                self.report.lines += 1;
                let most = self.app.accept.max_payload + AROUND;
                let detail = format!("The line has more than {most} bytes.");
                self.reject(self.line, Problem::new(Code::PayloadTooLarge, detail));
                return Ok(());
            }
            Line::Text(text) if self.line == 1 && text.starts_with(BYTE_ORDER_MARK) => {
                text.slice(BYTE_ORDER_MARK.len()..)
            }
            Line::Text(text) => text,
        };
        if text.trim_ascii().is_empty() {
            return Ok(());
        }
        self.report.lines += 1;
        match parse(&text).and_then(|raw| accept::read(raw, self.app.accept.max_payload)) {
            Err(problem) => self.reject(self.line, problem),
            Ok(event) => {
                self.bytes += text.len();
                self.numbers.push(self.line);
                self.chunk.push(event);
            }
        }
        // Few large events are as much to hold as many small ones.
        if self.chunk.len() >= self.app.accept.max_batch || self.bytes >= self.app.http.max_body {
            self.send().await?;
        }
        Ok(())
    }

    async fn send(&mut self) -> Result<(), Problem> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        let chunk = std::mem::take(&mut self.chunk);
        let results = self.app.events.accept(self.project, self.key, chunk).await;
        if let Some(problem) = accept::all_turned_away(&results) {
            let detail = self.broken("The import stopped").into();
            return Err(Problem { detail, ..problem });
        }
        let numbers = std::mem::take(&mut self.numbers);
        for (line, result) in numbers.into_iter().zip(results) {
            self.count(line, result);
        }
        Ok(())
    }

    fn count(&mut self, line: u64, result: Result<Accepted, Refused>) {
        match result {
            Ok(Accepted { replayed: false, .. }) => self.report.accepted += 1,
            Ok(Accepted { replayed: true, .. }) => self.report.replayed += 1,
            Err(refused) => self.reject(line, refused.into()),
        }
    }

    fn reject(&mut self, line: u64, problem: Problem) {
        self.report.rejected += 1;
        if self.report.errors.len() < TOLD {
            let errors = problem.faults.iter().map(FieldError::from).collect();
            let detail = problem.detail.into_owned();
            self.report.errors.push(LineError { line, code: problem.code, detail, errors });
        }
    }
}

fn parse(text: &[u8]) -> Result<&RawValue, Problem> {
    let text = utf8("line", text)?;
    serde_json::from_str(text).map_err(|error| {
        // The number of the line stands beside it, and is that of the whole import.
        let detail =
            format!("The line is not JSON: {}, at column {}.", cause(&error), error.column());
        Problem::new(Code::MalformedJson, detail)
    })
}

enum Line {
    Text(Bytes),
    TooLong,
}

/// Cuts a stream into lines and never holds more than one of the allowed length.
struct Reader {
    held: BytesMut,
    max: usize,
    // Where the search for the end of the line goes on.
    seen: usize,
    skipping: bool,
}

impl Reader {
    fn new(max: usize) -> Self {
        Self { held: BytesMut::new(), max, seen: 0, skipping: false }
    }

    fn feed(&mut self, piece: &[u8]) {
        self.held.extend_from_slice(piece);
    }

    fn line(&mut self) -> Option<Line> {
        let end = self.held[self.seen..].iter().position(|byte| *byte == b'\n');
        let Some(end) = end.map(|at| at + self.seen) else {
            self.seen = self.held.len();
            if self.seen > self.max {
                self.skipping = true;
            }
            if self.skipping {
                self.held.clear();
                self.seen = 0;
            }
            return None;
        };
        let line = self.held.split_to(end + 1).freeze();
        self.seen = 0;
        Some(self.finish(line.slice(..end)))
    }

    fn rest(&mut self) -> Option<Line> {
        if self.held.is_empty() && !self.skipping {
            return None;
        }
        let line = self.held.split().freeze();
        Some(self.finish(line))
    }

    fn finish(&mut self, line: Bytes) -> Line {
        let was_skipping = std::mem::take(&mut self.skipping);
        if was_skipping || line.len() > self.max { Line::TooLong } else { Line::Text(line) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_however_the_pieces_fall() {
        let text = b"one\n\ntwo\r\nxxxxxxxxxxxxxxxxxxxxxxxx\nlast";
        for size in 1..text.len() {
            let mut reader = Reader::new(10);
            let mut lines = Vec::new();
            for piece in text.chunks(size) {
                reader.feed(piece);
                assert!(reader.held.len() <= 10 + size + 1, "{size}");
                while let Some(line) = reader.line() {
                    lines.push(line);
                }
            }
            lines.extend(reader.rest());
            let words = lines.iter().map(|line| match line {
                Line::Text(text) => String::from_utf8_lossy(text).into_owned(),
                Line::TooLong => "!".to_owned(),
            });
            assert_eq!(words.collect::<Vec<_>>(), ["one", "", "two\r", "!", "last"], "{size}");
        }
    }
}
