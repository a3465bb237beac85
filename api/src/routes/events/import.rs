//! NDJSON: the batch function in chunks, with as much memory as one chunk needs.

mod lines;
mod source;

use std::sync::Arc;

use domain::id::{KeyId, ProjectId, Sha256};
use domain::intake::NewEvent;
use domain::once::Operation;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use runtime::app::App;
use serde_json::value::RawValue;
use services::accept::{Accepted, Refused};

use super::wire::{ImportReport, LineError, LineWarning};
use super::{accept, judged};
use crate::auth::Right;
use crate::body::{BYTE_ORDER_MARK, cause, is_utf8_of, judge_media_type, utf8};
use crate::once::other_body;
use crate::problem::{Code, FieldError, Problem, unread};
use crate::repeats::{Repeatable, Start, Working, begin};
use lines::{Line, Reader};
use source::{Next, Source};

/// How many errors are told one by one.
const TOLD: usize = 100;
/// What an event may have besides its payload, in bytes.
const AROUND: usize = 16 << 10;
/// How many bytes of lines are held before they are accepted.
const CHUNK: usize = 1 << 20;
const MEDIA_TYPE: &str = "application/x-ndjson";

/// What an import is answered with.
pub type ImportAnswer = Repeatable<ImportReport, 200>;

/// A body of lines, not yet read.
pub struct Lines(poem::Body);

impl<'a> ApiExtractor<'a> for Lines {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn request_meta() -> Option<MetaRequest> {
        let schema = MetaSchema {
            description: Some("One event per line, each as `NewEvent` has it."),
            // Generated clients send a binary body as it is, from a file; a text they would quote, or refuse.
            ..MetaSchema::new_with_format("string", "binary")
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

/// Imports what comes, until it ends. With an idempotency key every line has a key that follows from it, so that an import
/// that broke off can be sent again; one that was brought to its end is answered as it was then.
///
/// # Errors
/// When the body or the store breaks off, or the right to it is gone; what was accepted by then stays.
pub async fn run(
    app: &Arc<App>,
    (project, key): (ProjectId, KeyId),
    right: Right,
    idempotency: Option<&str>,
    lines: Lines,
) -> Result<ImportAnswer, Problem> {
    let source = Source::new(lines.0, right, &app.config.http);
    let working = match idempotency {
        None => None,
        Some(text) => match begin(app, (project, Operation::ImportEvents, text), None).await? {
            Start::Ours(working) => Some(working),
            Start::Done(body, answer) => return compare(source, body, answer).await,
        },
    };
    let mut import = Import::new(app, project, key, working);
    match import.all(source).await {
        Ok(body) => {
            let answer = ImportAnswer::fresh(&import.report)?;
            match import.working {
                Some(working) if import.is_final => working.finish(body, &answer.body).await,
                // What may work in a moment is no answer to keep.
                Some(working) => working.give_up().await,
                None => {}
            }
            Ok(answer)
        }
        Err(problem) => {
            if let Some(working) = import.working {
                working.give_up().await;
            }
            Err(problem)
        }
    }
}

/// Reads the body of an import that was done before, and gives its answer if it is the same.
async fn compare(
    mut source: Source,
    first: [u8; 32],
    answer: Vec<u8>,
) -> Result<ImportAnswer, Problem> {
    let mut body = Sha256::default();
    loop {
        match source.next().await? {
            Next::Piece(piece) => body.feed(&piece),
            Next::Pause => {}
            Next::End if body.finish() == first => return Ok(ImportAnswer::replayed(answer)),
            Next::End => return Err(other_body()),
        }
    }
}

/// A line that waits for its acceptance.
struct Waiting {
    number: u64,
    /// Whether its key follows from that of the import.
    derived: bool,
}

struct Import<'a> {
    app: &'a App,
    project: ProjectId,
    key: KeyId,
    working: Option<Working>,
    line: u64,
    report: ImportReport,
    waiting: Vec<Waiting>,
    chunk: Vec<NewEvent>,
    bytes: usize,
    /// Whether a repeat would come to the same.
    is_final: bool,
}

impl<'a> Import<'a> {
    fn new(app: &'a App, project: ProjectId, key: KeyId, working: Option<Working>) -> Self {
        let (report, waiting, chunk) = Default::default();
        let (line, bytes, is_final) = (0, 0, true);
        Self { app, project, key, working, line, report, waiting, chunk, bytes, is_final }
    }

    /// Takes everything; answers the hash of the body.
    async fn all(&mut self, mut source: Source) -> Result<[u8; 32], Problem> {
        let mut body = Sha256::default();
        let mut reader = Reader::new(self.app.config.accept.max_payload.as_usize() + AROUND);
        loop {
            match source.next().await {
                Ok(Next::Piece(piece)) => {
                    if self.working.is_some() {
                        body.feed(&piece);
                    }
                    reader.feed(&piece);
                    while let Some(line) = reader.line() {
                        self.take(line).await?;
                    }
                }
                Ok(Next::Pause) => self.pause().await?,
                Ok(Next::End) => break,
                Err(problem) => {
                    // Whoever is only slow has what they sent; whoever lost the right to it has not.
                    if problem.code == Code::TooSlow {
                        self.send().await?;
                    }
                    return Err(self.broken(problem));
                }
            }
        }
        if let Some(line) = reader.rest() {
            self.take(line).await?;
        }
        self.send().await?;
        Ok(body.finish())
    }

    /// Accepts what is there, for nobody knows when more comes.
    async fn pause(&mut self) -> Result<(), Problem> {
        self.send().await?;
        let held = match &mut self.working {
            Some(working) => working.hold().await,
            None => Ok(()),
        };
        held.map_err(|problem| self.broken(problem))
    }

    /// The problem with which the import stops, and what was kept by then.
    fn broken(&self, problem: Problem) -> Problem {
        let ImportReport { accepted, replayed, rejected, .. } = self.report;
        let (line, kept) = (self.line + 1, accepted + replayed);
        let detail = format!(
            "{} The import stopped at line {line}; {kept} events are kept, and stay so; {rejected} lines before it were rejected.",
            problem.detail
        );
        Problem { detail: detail.into(), ..problem }
    }

    async fn take(&mut self, line: Line) -> Result<(), Problem> {
        self.line += 1;
        let text = match line {
            Line::TooLong => {
                self.report.lines += 1;
                let most = self.app.config.accept.max_payload.as_usize() + AROUND;
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
        let given = self.working.as_ref().and_then(|working| working.of_event(self.line));
        let max_payload = self.app.config.accept.max_payload.as_usize();
        match parse(&text).and_then(|raw| judged::read(raw, max_payload, given)) {
            Err(problem) => self.reject(self.line, problem),
            Ok(event) => {
                self.bytes += text.len();
                let derived = judged::is_derived(&event);
                self.waiting.push(Waiting { number: self.line, derived });
                self.chunk.push(event);
            }
        }
        // Few large events are as much to hold as many small ones.
        if self.chunk.len() >= self.app.config.accept.max_batch || self.bytes >= CHUNK {
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
        let waiting = std::mem::take(&mut self.waiting);
        let results = self.app.events.accept(self.project, Some(self.key), chunk).await;
        if let Some(problem) = accept::all_turned_away(&results) {
            return Err(self.broken(problem));
        }
        let mut other = None;
        for (line, result) in waiting.into_iter().zip(results) {
            self.is_final &= !accept::is_passing(&result);
            match result {
                Ok(accepted) => self.kept(&line, &accepted),
                Err(Refused::Conflict) if line.derived => {
                    other.get_or_insert(line.number);
                }
                Err(refused) => self.reject(line.number, refused.into()),
            }
        }
        let Some(number) = other else { return Ok(()) };
        let problem = other_body();
        let detail = format!("Line {number} is not the one of before. {}", problem.detail);
        Err(self.broken(Problem { detail: detail.into(), ..problem }))
    }

    fn kept(&mut self, line: &Waiting, accepted: &Accepted) {
        // What an earlier attempt at the same import kept is kept by this import.
        if line.derived || !accepted.replayed {
            self.report.accepted += 1;
        } else {
            self.report.replayed += 1;
        }
        if accepted.warnings.is_empty() {
            return;
        }
        self.report.warned += 1;
        if self.report.warnings.len() < TOLD {
            let warnings = accepted.warnings.iter().map(FieldError::from).collect();
            self.report.warnings.push(LineWarning { line: line.number, warnings });
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
