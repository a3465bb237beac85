//! Whether a message of Amazon SNS is true: its signature is checked with the certificate that it names, which must be on
//! Amazon's own host or on one that the operator allows. Confirming a subscription calls no other hosts either.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use config::{Config, WebhooksConfig};
use crypto::certificate::{Certificate, Hash};
use domain::adapter::sns::{Host, Message, SignatureVersion, host_of, signed_text};
use domain::fault::{Fault, FaultCode};
use moka::future::Cache;
use outbound::Outbound;

/// How many certificates are kept at hand. There is one for each region, and a new one now and then.
const CERTIFICATES: u64 = 100;
/// How long one is kept.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// The most bytes of a certificate, or of the answer to a confirmation.
const MAX_ANSWER: usize = 64 << 10;

/// The fewest bytes of a signature, which are those of an RSA key of 1024 bits.
const MIN_SIGNATURE: usize = 128;

/// Why a message is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnsError {
    /// A field is wrong.
    Invalid(Fault),
    /// The signature is not that of the message.
    Forged,
    /// What the message names did not answer; it may, later.
    Unavailable(String),
}

/// Checks messages of SNS.
pub struct Sns {
    hosts: Vec<String>,
    webhooks: WebhooksConfig,
    /// Made when it is needed: few installations get such messages.
    outbound: OnceLock<Result<Outbound, String>>,
    certificates: Cache<String, Certificate>,
}

impl Sns {
    /// Checks as the configuration says.
    pub fn new(config: &Config) -> Self {
        Self {
            hosts: config.intake.sns_hosts.clone(),
            webhooks: config.webhooks.clone(),
            outbound: OnceLock::new(),
            certificates: Cache::builder().max_capacity(CERTIFICATES).time_to_live(KEPT).build(),
        }
    }

    /// Checks who signed a message.
    ///
    /// # Errors
    /// When it was not SNS, or that can't be told.
    pub async fn verify(&self, message: &Message) -> Result<(), SnsError> {
        let url = &message.certificate_url;
        let host = self.host("SigningCertURL", url)?;
        let signature = STANDARD.decode(&message.signature).map_err(|_| SnsError::Forged)?;
        // What can't be a signature is not worth a call.
        if signature.len() < MIN_SIGNATURE {
            return Err(SnsError::Forged);
        }
        let loading = self.certificate(url, host);
        let certificate = self.certificates.try_get_with_by_ref(url, loading).await;
        let certificate = certificate.map_err(|error: Arc<SnsError>| (*error).clone())?;
        let hash = match message.version {
            SignatureVersion::One => Hash::Sha1,
            SignatureVersion::Two => Hash::Sha256,
        };
        match certificate.verifies(hash, signed_text(message).as_bytes(), &signature) {
            true => Ok(()),
            false => Err(SnsError::Forged),
        }
    }

    /// Confirms the subscription that a message asks for.
    ///
    /// # Errors
    /// When the message names another host, or it did not answer.
    pub async fn confirm(&self, message: &Message) -> Result<(), SnsError> {
        let host = self.host("SubscribeURL", &message.subscribe_url)?;
        self.fetch(&message.subscribe_url, host).await.map(|_| ())
    }

    fn host(&self, field: &'static str, url: &str) -> Result<Host, SnsError> {
        host_of(url, &self.hosts)
            .map_err(|words| SnsError::Invalid(Fault::new(field, FaultCode::Invalid, words)))
    }

    async fn certificate(&self, url: &str, host: Host) -> Result<Certificate, SnsError> {
        let pem = self.fetch(url, host).await?;
        Certificate::from_pem(&pem).ok_or_else(|| {
            let words = "there is no certificate at this URL";
            SnsError::Invalid(Fault::new("SigningCertURL", FaultCode::Invalid, words))
        })
    }

    async fn fetch(&self, url: &str, host: Host) -> Result<bytes::Bytes, SnsError> {
        let outbound = self
            .outbound
            .get_or_init(|| Outbound::new(&self.webhooks).map_err(|error| error.to_string()));
        let outbound = outbound.as_ref().map_err(|words| SnsError::Unavailable(words.clone()))?;
        let fetched = outbound.fetch(url, host == Host::Operators, MAX_ANSWER).await;
        fetched.map_err(|error| SnsError::Unavailable(error.into_words()))
    }
}
