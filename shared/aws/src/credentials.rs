//! Who we are to AWS: what the configuration says, else the environment, else the identity that a cluster gives us, else
//! the container that we run in, else the machine. The SDK asks again shortly before what it got ends, so that rotated credentials need no restart.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials as Found;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, Result, future};
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use serde::Deserialize;

use domain::time::Time;

/// How long a metadata service may take: it is on this machine or the next.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long STS may take, which is elsewhere.
const PATIENCE_WITH_STS: Duration = Duration::from_secs(10);

/// The metadata service of EC2.
const MACHINE: &str = "http://169.254.169.254";
/// That of ECS, before which a relative address stands.
const CONTAINER: &str = "http://169.254.170.2";

/// Where else a token may be sent over plain HTTP: this machine, and the addresses of ECS and EKS.
const METADATA_HOSTS: [&str; 4] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23", "localhost"];

type Variables = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Finds credentials.
pub struct Credentials {
    fixed: Option<Found>,
    variables: Variables,
    machine: String,
    http: Connector,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("fixed", &self.fixed.is_some()).finish_non_exhaustive()
    }
}

impl Credentials {
    /// These, which the configuration says, or else whatever is found around us.
    pub fn new(fixed: Option<(&str, &str)>) -> Self {
        let variables = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self::around(fixed, Arc::new(variables), MACHINE.to_owned())
    }

    fn around(fixed: Option<(&str, &str)>, variables: Variables, machine: String) -> Self {
        let ring = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
        let found = |(id, secret)| Found::new(id, secret, None, None, "configuration");
        Self {
            fixed: fixed.map(found),
            variables,
            machine,
            http: Connector::builder().tls_provider(ring).build(),
        }
    }

    async fn find(&self) -> Result {
        if let Some(fixed) = &self.fixed {
            return Ok(fixed.clone());
        }
        let variable = |name| (self.variables)(name);
        if let (Some(id), Some(secret)) =
            (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"))
        {
            let token = variable("AWS_SESSION_TOKEN");
            return Ok(Found::new(id, secret, token, None, "environment"));
        }
        if let (Some(file), Some(role)) =
            (variable("AWS_WEB_IDENTITY_TOKEN_FILE"), variable("AWS_ROLE_ARN"))
        {
            return self.of_web_identity(&file, &role).await;
        }
        let container = match variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
            Some(path) => Some(format!("{CONTAINER}{path}")),
            None => variable("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        };
        if let Some(url) = container {
            return self.of_container(&url).await;
        }
        if variable("AWS_EC2_METADATA_DISABLED").is_some_and(|it| it.eq_ignore_ascii_case("true")) {
            return Err(CredentialsError::not_loaded(NOWHERE));
        }
        self.of_machine().await
    }

    /// Trades the token of a service account (EKS with IRSA, or any issuer that a role trusts) for credentials. The file is
    /// read each time: the cluster writes a new token long before the old one ends.
    async fn of_web_identity(&self, file: &str, role: &str) -> Result {
        let token = tokio::fs::read_to_string(file).await.map_err(|error| {
            let words = format!("AWS_WEB_IDENTITY_TOKEN_FILE = {file}: {error}");
            CredentialsError::invalid_configuration(words)
        })?;
        let variable = |name| (self.variables)(name);
        let name = variable("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| "bellbuoy".to_owned());
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("Action", "AssumeRoleWithWebIdentity")
            .append_pair("Version", "2011-06-15")
            .append_pair("RoleArn", role)
            .append_pair("RoleSessionName", &name)
            .append_pair("WebIdentityToken", token.trim())
            .finish();
        let endpoint = variable("AWS_ENDPOINT_URL_STS").unwrap_or_else(|| {
            let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
            sts_of(region.as_deref())
        });
        if !may_be_asked(&endpoint) {
            return Err(CredentialsError::invalid_configuration(format!(
                "AWS_ENDPOINT_URL_STS = {endpoint} is neither https nor an address of this machine"
            )));
        }
        let header = ("content-type", "application/x-www-form-urlencoded".to_owned());
        let text = self.send("POST", &endpoint, Some(header), form, PATIENCE_WITH_STS).await?;
        read_sts(&text)
    }

    async fn of_container(&self, url: &str) -> Result {
        if !may_be_asked(url) {
            return Err(CredentialsError::invalid_configuration(format!(
                "AWS_CONTAINER_CREDENTIALS_FULL_URI = {url} is neither https nor an address of this machine"
            )));
        }
        let token = match (self.variables)("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
            Some(path) => Some(tokio::fs::read_to_string(&path).await.map_err(|error| {
                CredentialsError::invalid_configuration(format!("{path}: {error}"))
            })?),
            None => (self.variables)("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
        };
        let token = token.map(|token| token.trim().to_owned());
        let header = token.map(|token| ("authorization", token));
        let text = self.ask("GET", url, header).await?;
        read(&text, "container")
    }

    async fn of_machine(&self) -> Result {
        let lifetime = ("x-aws-ec2-metadata-token-ttl-seconds", "300".to_owned());
        let address = format!("{}/latest/api/token", self.machine);
        let token = self.ask("PUT", &address, Some(lifetime)).await.map_err(|error| {
            CredentialsError::not_loaded(format!("{NOWHERE} (the machine: {error})"))
        })?;
        let header = || Some(("x-aws-ec2-metadata-token", token.trim().to_owned()));
        let list = format!("{}/latest/meta-data/iam/security-credentials/", self.machine);
        let roles = self.ask("GET", &list, header()).await?;
        let Some(role) = roles.lines().next().filter(|role| !role.is_empty()) else {
            return Err(CredentialsError::not_loaded("this machine has no role"));
        };
        let text = self.ask("GET", &format!("{list}{role}"), header()).await?;
        read(&text, "machine")
    }

    /// Asks a metadata service; whatever is no good answer is an error.
    async fn ask(
        &self,
        method: &str,
        url: &str,
        header: Option<(&'static str, String)>,
    ) -> std::result::Result<String, CredentialsError> {
        self.send(method, url, header, String::new(), PATIENCE).await
    }

    async fn send(
        &self,
        method: &str,
        url: &str,
        header: Option<(&'static str, String)>,
        body: String,
        patience: Duration,
    ) -> std::result::Result<String, CredentialsError> {
        let failed = |words: String| CredentialsError::provider_error(format!("{url}: {words}"));
        let mut request = HttpRequest::get(url).map_err(|error| failed(error.to_string()))?;
        request.set_method(method).map_err(|error| failed(error.to_string()))?;
        if let Some((name, value)) = header {
            let added = request.headers_mut().try_insert(name, value);
            added.map_err(|error| failed(error.to_string()))?;
        }
        *request.body_mut() = SdkBody::from(body);
        let work = async {
            let answer =
                self.http.call(request).await.map_err(|error| failed(error.to_string()))?;
            let status = answer.status();
            let body = ByteStream::new(answer.into_body()).collect().await;
            let bytes = body.map_err(|error| failed(error.to_string()))?.into_bytes();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if !status.is_success() {
                // Of a refusal only its code is told: what else it says may repeat the token.
                let code = element(&text, "Code").map(|code| format!(" ({code})"));
                let code = code.unwrap_or_default();
                return Err(failed(format!("it answers {}{code}", status.as_u16())));
            }
            Ok(text)
        };
        tokio::time::timeout(patience, work)
            .await
            .unwrap_or_else(|_| Err(CredentialsError::provider_timed_out(patience)))
    }
}

const NOWHERE: &str = "no credentials: set them in the configuration or as AWS_ACCESS_KEY_ID and \
     AWS_SECRET_ACCESS_KEY, or give the task or machine a role";

impl ProvideCredentials for Credentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.find())
    }
}

/// Whether the token may go there: over TLS anywhere, else only to the machine itself.
fn may_be_asked(url: &str) -> bool {
    let Ok(url) = url::Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_here = host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    url.scheme() == "https" || is_here || METADATA_HOSTS.contains(&host)
}

/// Where STS is: that of the region, for the one without is in a region of its own.
fn sts_of(region: Option<&str>) -> String {
    match region {
        Some(region) if region.starts_with("cn-") => {
            format!("https://sts.{region}.amazonaws.com.cn")
        }
        Some(region) => format!("https://sts.{region}.amazonaws.com"),
        None => "https://sts.amazonaws.com".to_owned(),
    }
}

/// What STS answers, which is XML of a fixed form without anything that is escaped.
fn read_sts(text: &str) -> Result {
    let part = |name| {
        // The text is not repeated: there is a secret in it.
        let missing = || CredentialsError::unhandled(format!("the answer of STS has no {name}"));
        element(text, name).map(str::to_owned).ok_or_else(missing)
    };
    let until = time(&part("Expiration")?);
    let (id, secret) = (part("AccessKeyId")?, part("SecretAccessKey")?);
    Ok(Found::new(id, secret, Some(part("SessionToken")?), until, "web identity"))
}

/// What stands in the first element of that name.
fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(inside, _)| inside.trim())
}

fn time(text: &str) -> Option<SystemTime> {
    let micros = u64::try_from(Time::parse(text)?.micros()).unwrap_or_default();
    Some(SystemTime::UNIX_EPOCH + Duration::from_micros(micros))
}

/// What both services answer.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
    expiration: Option<String>,
}

fn read(text: &str, from: &'static str) -> Result {
    // The text is not repeated: there is a secret in it.
    let answer: Answer = serde_json::from_str(text).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        CredentialsError::unhandled(format!("the {from}'s answer holds no credentials ({place})"))
    })?;
    let until = answer.expiration.as_deref().and_then(time);
    Ok(Found::new(answer.access_key_id, answer.secret_access_key, answer.token, until, from))
}

#[cfg(test)]
mod tests;
