//! The URL of queues in SQS: `sqs://region/prefix?endpoint=…&fifo=true`.

use std::time::Duration;

use url::Url;

use super::{server_url::HttpUrl, setting::Setting};

/// Queues in SQS. It holds no secret: credentials are found where AWS keeps them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqsUrl {
    /// The AWS region.
    pub region: String,
    /// What the queues' names begin with; none when `queue.prefix` says it.
    pub prefix: Option<String>,
    /// Where to ask instead of AWS.
    pub endpoint: Option<HttpUrl>,
    /// Whether they are FIFO queues.
    pub fifo: bool,
    /// How often a message may be received before it is put aside.
    pub max_receives: u32,
    /// How long a worker waits for messages, in one call.
    pub wait: Duration,
}

/// How often a message may be received, unless the URL says otherwise.
const MAX_RECEIVES: u32 = 10;
/// How long SQS lets a receiver wait, in seconds: the default, and the most.
const WAIT: u64 = 20;

impl SqsUrl {
    /// Whether a text means to be such a URL.
    pub(super) fn is_meant(text: &str) -> bool {
        text.starts_with("sqs:")
    }

    /// Reads a URL.
    ///
    /// # Errors
    /// It says what is wrong, and what would be right.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let shape = |why: &str| {
            format!("{why}; it takes sqs://region/prefix, like sqs://eu-central-1/bellbuoy")
        };
        let url = Url::parse(text).map_err(|_| shape("can't be read as a URL"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("has credentials in it: they are read from the environment \
                        (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), a profile or the machine's role"
                .to_owned());
        }
        let region = url.host_str().unwrap_or_default().to_owned();
        let is_region = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if region.is_empty() {
            return Err(shape("names no region"));
        }
        if !region.bytes().all(is_region) || url.port().is_some() {
            return Err(shape("has a region with other characters than letters, digits and -"));
        }
        let path = url.path().trim_start_matches('/');
        let prefix = (!path.is_empty()).then(|| path.to_owned());
        if url.fragment().is_some() || !path.bytes().all(|byte| is_region(byte) || byte == b'_') {
            return Err(shape("has a prefix with other characters than letters, digits, _ and -"));
        }
        let (endpoint, fifo, max_receives) = (None, false, MAX_RECEIVES);
        let wait = Duration::from_secs(WAIT);
        let mut read = Self { region, prefix, endpoint, fifo, max_receives, wait };
        for (name, value) in url.query_pairs() {
            read.option(&name, &value)?;
        }
        Ok(read)
    }

    fn option(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "endpoint" => {
                let wrong = || {
                    "has an endpoint that is none; it takes endpoint=http://host:port, as a plain URL"
                        .to_owned()
                };
                let url = HttpUrl::parse(value).map_err(|_| wrong())?;
                self.endpoint = Some(url).filter(HttpUrl::is_plain);
                if self.endpoint.is_none() {
                    return Err(wrong());
                }
            }
            "fifo" => {
                self.fifo = value.parse().map_err(|_| {
                    "has a fifo that is neither; it takes fifo=true or fifo=false".to_owned()
                })?;
            }
            "max_receives" => {
                let count = value.parse().ok().filter(|count| (1..=1000).contains(count));
                self.max_receives = count.ok_or("has a max_receives out of bounds; it takes max_receives=1 to max_receives=1000")?;
            }
            "wait" => {
                let seconds = value.parse().ok().filter(|seconds| *seconds <= WAIT);
                let seconds = seconds
                    .ok_or("has a wait out of bounds; it takes wait=0 to wait=20, in seconds")?;
                self.wait = Duration::from_secs(seconds);
            }
            _ => {
                return Err(
                    "has an unknown option; there are no other options than endpoint, fifo, max_receives and wait"
                        .to_owned(),
                );
            }
        }
        Ok(())
    }

    /// The URL, with what is not a default.
    pub(super) fn print(&self) -> String {
        let mut options = url::form_urlencoded::Serializer::new(String::new());
        if let Some(endpoint) = &self.endpoint {
            options.append_pair("endpoint", &endpoint.print());
        }
        if self.fifo {
            options.append_pair("fifo", "true");
        }
        if self.max_receives != MAX_RECEIVES {
            options.append_pair("max_receives", &self.max_receives.to_string());
        }
        if self.wait != Duration::from_secs(WAIT) {
            options.append_pair("wait", &self.wait.as_secs().to_string());
        }
        let options = options.finish();
        let prefix = self.prefix.as_ref().map(|prefix| format!("/{prefix}")).unwrap_or_default();
        let mark = if options.is_empty() { "" } else { "?" };
        format!("sqs://{}{prefix}{mark}{options}", self.region)
    }
}
