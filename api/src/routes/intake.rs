//! Adapters: other programs send what they always send, and it becomes events; and how the streams and queues stand by
//! which events come in besides.

mod standing;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use domain::adapter::{self, ADAPTERS, Parts, REPEAT_INTERVAL, Surroundings, sns};
use domain::fault::{Fault, FaultCode};
use domain::id::{KeyId, ProjectId};
use poem_openapi::param::Query;
use poem_openapi::{ApiResponse, OpenApi};
use runtime::app::App;
use services::sns::SnsError;

use super::Tag;
use super::events::accept::report;
use super::events::judged::Judged;
use super::events::key_id;
use super::events::wire::{BatchReport, ItemStatus};
use crate::auth::{Caller, EventsRead, EventsWrite};
use crate::page::{self, List, cut};
use crate::problem::{Bulk, Code, Failure, Lists, Problem};
use crate::wire::Answer;
use standing::{IntakeList, RejectedEntryPage};
use wire::{AlertWebhook, Foreign, SnsMessage};

/// When to send again what could not be taken now.
const RETRY: Duration = Duration::from_secs(1);
/// The most faults that one answer tells.
const TOLD: usize = 100;

/// The operations of adapters.
pub struct Operations {
    app: Arc<App>,
}

impl Operations {
    /// Operations that work on `app`.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

/// The answer to what an adapter was sent.
#[derive(ApiResponse)]
enum IntakeAnswer {
    /// What became of each event, in the order of the body.
    #[oai(status = 202)]
    Taken(Answer<BatchReport>),
}

#[OpenApi(prefix_path = "/api/v1/intake", tag = "Tag::Events")]
impl Operations {
    /// Accept alerts of Alertmanager
    ///
    /// Needs the scope `events:write`. Takes the webhooks of Prometheus' Alertmanager: one event of the type
    /// `alertmanager.alert` for each alert. What Alertmanager sends again within a repeat interval is the same event.
    #[oai(path = "/alertmanager", method = "post", operation_id = "accept_alertmanager")]
    async fn alertmanager(
        &self,
        caller: Caller<EventsWrite>,
        /// The `repeat_interval` of Alertmanager's route, like `4h`, which it is if it is not said: 1 minute to 24 hours.
        #[oai(validator(max_length = 20))]
        repeat_interval: Query<Option<String>>,
        body: Foreign<AlertWebhook>,
    ) -> Result<IntakeAnswer, Failure<Bulk>> {
        Ok(self.alerts("alertmanager", &caller, repeat_interval.0.as_deref(), &body).await?)
    }

    /// Accept alerts of Grafana
    ///
    /// Needs the scope `events:write`. Takes the webhooks of Grafana's alerting: one event of the type `grafana.alert` for
    /// each alert. What Grafana sends again within a repeat interval is the same event.
    #[oai(path = "/grafana", method = "post", operation_id = "accept_grafana")]
    async fn grafana(
        &self,
        caller: Caller<EventsWrite>,
        /// The repeat interval of Grafana's notification policy, like `4h`, which it is if it is not said: 1 minute to 24
        /// hours.
        #[oai(validator(max_length = 20))]
        repeat_interval: Query<Option<String>>,
        body: Foreign<AlertWebhook>,
    ) -> Result<IntakeAnswer, Failure<Bulk>> {
        Ok(self.alerts("grafana", &caller, repeat_interval.0.as_deref(), &body).await?)
    }

    /// Accept messages of Amazon SNS
    ///
    /// Needs the scope `events:write`. Takes what SNS sends to an HTTPS subscription, as `text/plain` or as JSON; its
    /// signature is checked, and a subscription is confirmed. An alarm of CloudWatch becomes an event of the type
    /// `cloudwatch.alarm`, any other message one of the type `sns.message`.
    #[oai(path = "/sns", method = "post", operation_id = "accept_sns")]
    async fn sns(
        &self,
        caller: Caller<EventsWrite>,
        body: Foreign<SnsMessage>,
    ) -> Result<IntakeAnswer, Failure<Bulk>> {
        let message = sns::message(&body.members).map_err(Problem::invalid)?;
        self.app.sns.verify(&message).await.map_err(refusal)?;
        let events = match message.kind {
            sns::Kind::Notification => vec![Ok(sns::event(&message))],
            sns::Kind::SubscriptionConfirmation => {
                self.app.sns.confirm(&message).await.map_err(refusal)?;
                tracing::info!(project = %caller.project, topic = message.topic, "a subscription was confirmed");
                Vec::new()
            }
            sns::Kind::UnsubscribeConfirmation => {
                tracing::info!(project = %caller.project, topic = message.topic, "a subscription has ended");
                Vec::new()
            }
        };
        Ok(self.take("sns", (caller.project, key_id(&caller)?), Ok(events)).await?)
    }

    /// List intakes
    ///
    /// Needs the scope `read` or the permission `events:read`. The streams and queues that events come in by besides the
    /// API, what they are called and how they stand. Workers say the latter every ten seconds.
    #[oai(path = "/", method = "get", operation_id = "list_intakes")]
    async fn list(&self, caller: Caller<EventsRead>) -> Result<Answer<IntakeList>, Failure<Lists>> {
        let found = self.app.intakes.of(caller.project).await?;
        Ok(Answer(IntakeList { items: found.into_iter().map(Into::into).collect() }))
    }

    /// List rejected entries
    ///
    /// Needs the scope `read` or the permission `events:read`. Entries of streams and queues that could not be taken, newest
    /// first. The newest 1000 are kept, for seven days.
    #[oai(path = "/rejected", method = "get", operation_id = "list_rejected_entries")]
    async fn rejected(
        &self,
        caller: Caller<EventsRead>,
        /// How many on a page.
        #[oai(
            default = "page::default_limit",
            validator(minimum(value = "1"), maximum(value = "200"))
        )]
        limit: Query<u32>,
        /// The `next_cursor` of the page before.
        #[oai(validator(max_length = 100))]
        cursor: Query<Option<String>>,
    ) -> Result<Answer<RejectedEntryPage>, Failure<Lists>> {
        let list = List::new("rejected", caller.project, &());
        let after = list.read(cursor.0.as_deref())?;
        let limit = limit.0.clamp(1, page::MAX);
        let rows = self.app.intakes.rejected(caller.project, after, limit as usize + 1).await?;
        let (rows, next_cursor) = cut(rows, limit, &list, |row| row.id);
        Ok(Answer(RejectedEntryPage {
            items: rows.into_iter().map(Into::into).collect(),
            next_cursor,
        }))
    }
}

impl Operations {
    async fn alerts(
        &self,
        way: &'static str,
        caller: &Caller<EventsWrite>,
        repeat_interval: Option<&str>,
        body: &Foreign<AlertWebhook>,
    ) -> Result<IntakeAnswer, Problem> {
        let repeat_interval = match repeat_interval {
            None => REPEAT_INTERVAL,
            Some(text) => adapter::repeat_interval(text).ok_or_else(|| {
                let message = "it must be a time of 1 minute to 24 hours, like 4h or 1h30m";
                Problem::parameter("repeat_interval", FaultCode::Invalid, message)
            })?,
        };
        let (_, read) =
            ADAPTERS.into_iter().find(|(name, _)| *name == way).ok_or_else(Problem::internal)?;
        let surroundings = Surroundings { now: self.app.clock.now(), repeat_interval };
        let from = (caller.project, key_id(caller)?);
        self.take(way, from, read(&body.members, surroundings)).await
    }

    /// Accepts what an adapter made, as a batch. Senders do not look at single results, so that what may work in a moment
    /// is answered as a whole: they send all of it again, and nothing is kept twice.
    async fn take(
        &self,
        way: &'static str,
        from: (ProjectId, KeyId),
        parts: Parts,
    ) -> Result<IntakeAnswer, Problem> {
        let max_payload = self.app.config.accept.max_payload.as_usize();
        let parts = parts.map_err(|faults| refused(way, faults))?;
        let judged = parts
            .into_iter()
            .map(|part| part.and_then(|adapted| adapter::judge(adapted, max_payload)));
        let judged: Vec<Result<_, Vec<Fault>>> = judged.collect();
        if !judged.is_empty() && judged.iter().all(Result::is_err) {
            let faults = judged.into_iter().filter_map(Result::err).flatten().take(TOLD);
            return Err(refused(way, faults.collect()));
        }
        let judged = judged.into_iter().map(|one| Judged::from(one.map_err(Problem::invalid)));
        let mut judged: Vec<Judged> = judged.collect();
        let mut items = Vec::with_capacity(judged.len());
        let size = self.app.config.accept.max_batch;
        while !judged.is_empty() {
            let rest = judged.split_off(size.min(judged.len()));
            let (report, is_final) =
                report(&self.app, from, std::mem::replace(&mut judged, rest)).await?;
            if !is_final {
                return Err(Problem::unavailable(RETRY));
            }
            items.extend(report.items);
        }
        let rejected = items.iter().filter(|one| one.status == ItemStatus::Rejected).count() as u64;
        count(way, "rejected", rejected);
        count(way, "taken", items.len() as u64 - rejected);
        Ok(IntakeAnswer::Taken(Answer(BatchReport { items })))
    }
}

fn count(way: &'static str, outcome: &'static str, events: u64) {
    metrics::counter!("bellbuoy_intake_events_total", "adapter" => way, "outcome" => outcome)
        .increment(events);
}

/// The refusal of a whole body.
fn refused(way: &'static str, faults: Vec<Fault>) -> Problem {
    count(way, "rejected", 1);
    Problem::invalid(faults)
}

fn refusal(error: SnsError) -> Problem {
    count("sns", "rejected", 1);
    match error {
        SnsError::Invalid(fault) => Problem::invalid(vec![fault]),
        SnsError::Forged => {
            let message =
                "it is not that of this message by the certificate that it names; SNS sends it";
            Problem::invalid(vec![Fault::new("Signature", FaultCode::Invalid, message)])
        }
        SnsError::Unavailable(words) => {
            tracing::warn!(error = words, "what a message of SNS names was not reached");
            let detail =
                "What the message names could not be reached; send it again after Retry-After.";
            Problem::new(Code::Unavailable, detail).after(RETRY)
        }
    }
}
