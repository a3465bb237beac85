//! What other programs send, as the document describes it. It is read as it comes: they say more than is told here.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use domain::members::Members;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::{Example, Type};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions, Object};

use crate::body::{self, is_utf8_of, judge_media_type};

const JSON: &str = "application/json";

/// A JSON object in another program's words, which look like `T`.
pub struct Foreign<T> {
    /// What it says.
    pub members: Members,
    looks: PhantomData<fn() -> T>,
}

impl<'a, T: Type> ApiExtractor<'a> for Foreign<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content = vec![MetaMediaType { content_type: JSON, schema: T::schema_ref() }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        // SNS calls its JSON a plain text.
        let fits = |given: &str| is_utf8_of(given, JSON) || is_utf8_of(given, "text/plain");
        judge_media_type(request, fits, JSON)?;
        let members = body::parse(&body::read(body).await?)?;
        Ok(Self { members, looks: PhantomData })
    }
}

/// A webhook of Alertmanager (version 4) or Grafana (version 1).
#[derive(Clone, Debug, Object)]
#[oai(rename_all = "camelCase", example)]
pub struct AlertWebhook {
    /// The version of the webhook.
    version: String,
    /// What the alerts have in common, as a text.
    group_key: String,
    /// Whether any of them is firing.
    status: String,
    /// To whom they are sent.
    receiver: String,
    /// Where the sender is.
    #[oai(rename = "externalURL")]
    external_url: String,
    /// The labels by which they are grouped.
    group_labels: BTreeMap<String, String>,
    /// The labels that all of them have.
    common_labels: BTreeMap<String, String>,
    /// The annotations that all of them have.
    common_annotations: BTreeMap<String, String>,
    /// The alerts.
    alerts: Vec<WebhookAlert>,
}

/// An alert in a webhook of Alertmanager or Grafana.
#[derive(Clone, Debug, Object)]
#[oai(rename_all = "camelCase", example)]
pub struct WebhookAlert {
    /// `firing` or `resolved`.
    #[oai(validator(pattern = "^(firing|resolved)$"))]
    status: String,
    /// What tells it from others; `alertname` becomes the subject.
    labels: BTreeMap<String, String>,
    /// What is told of it besides.
    annotations: BTreeMap<String, String>,
    /// When it began to fire.
    #[oai(validator(min_length = 1))]
    starts_at: String,
    /// When it ended, if it is resolved.
    #[oai(validator(min_length = 1))]
    ends_at: String,
    /// Where it comes from.
    #[oai(rename = "generatorURL")]
    generator_url: String,
    /// The same for the same labels.
    #[oai(validator(min_length = 1))]
    fingerprint: String,
}

fn words(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

impl Example for WebhookAlert {
    fn example() -> Self {
        Self {
            status: "firing".to_owned(),
            labels: words(&[("alertname", "DiskFull"), ("instance", "db-1")]),
            annotations: words(&[("summary", "93 % are used")]),
            starts_at: "2026-01-31T09:30:00Z".to_owned(),
            ends_at: "0001-01-01T00:00:00Z".to_owned(),
            generator_url: "http://prometheus.example.com/graph".to_owned(),
            fingerprint: "2c7a1f0b9d3e4f56".to_owned(),
        }
    }
}

impl Example for AlertWebhook {
    fn example() -> Self {
        Self {
            version: "4".to_owned(),
            group_key: "{}:{alertname=\"DiskFull\"}".to_owned(),
            status: "firing".to_owned(),
            receiver: "bellbuoy".to_owned(),
            external_url: "http://alertmanager.example.com".to_owned(),
            group_labels: words(&[("alertname", "DiskFull")]),
            common_labels: words(&[("alertname", "DiskFull"), ("instance", "db-1")]),
            common_annotations: words(&[("summary", "93 % are used")]),
            alerts: vec![WebhookAlert::example()],
        }
    }
}

/// A message of Amazon SNS.
#[derive(Clone, Debug, Object)]
#[oai(rename_all = "PascalCase", example)]
pub struct SnsMessage {
    /// `Notification`, `SubscriptionConfirmation` or `UnsubscribeConfirmation`.
    #[oai(rename = "Type")]
    kind: String,
    /// What tells it from others, however often it is sent.
    message_id: String,
    /// The topic.
    topic_arn: String,
    /// What it is about.
    subject: Option<String>,
    /// What it says; of a CloudWatch alarm, JSON.
    message: String,
    /// When it was published.
    timestamp: String,
    /// `1` or `2`.
    signature_version: String,
    /// The signature, in base64.
    signature: String,
    /// Where its certificate is.
    #[oai(rename = "SigningCertURL")]
    signing_cert_url: String,
    /// Where a subscription is confirmed.
    #[oai(rename = "SubscribeURL")]
    subscribe_url: Option<String>,
    /// What proves a subscription.
    token: Option<String>,
}

impl Example for SnsMessage {
    fn example() -> Self {
        Self {
            kind: "Notification".to_owned(),
            message_id: "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324".to_owned(),
            topic_arn: "arn:aws:sns:eu-west-1:123456789012:ops".to_owned(),
            subject: Some("A disk is full".to_owned()),
            message: "93 % are used".to_owned(),
            timestamp: "2026-01-31T09:30:00.000Z".to_owned(),
            signature_version: "2".to_owned(),
            signature: "EXAMPLE".to_owned(),
            signing_cert_url: "https://sns.eu-west-1.amazonaws.com/certificate.pem".to_owned(),
            subscribe_url: None,
            token: None,
        }
    }
}
