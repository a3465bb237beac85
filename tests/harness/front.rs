//! A client of the API that knows nothing of it: it sends what it is told, as whom it is told, and keeps all that came back.

use reqwest::Method;
use serde_json::Value;

/// As whom something is sent: the headers that say so.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// The headers.
    pub headers: Vec<(&'static str, String)>,
}

impl Caller {
    /// Nobody.
    pub fn nobody() -> Self {
        Self::default()
    }

    /// A program with a key.
    pub fn key(text: &str) -> Self {
        Self { headers: vec![("x-api-key", text.to_owned())] }
    }

    /// Somebody with an access token.
    pub fn token(text: &str) -> Self {
        Self { headers: vec![("authorization", format!("Bearer {text}"))] }
    }

    /// The same with another header.
    pub fn with(&self, name: &'static str, value: &str) -> Self {
        let mut headers = self.headers.clone();
        headers.push((name, value.to_owned()));
        Self { headers }
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers, by their names in small letters.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Reply {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The code of the problem that it is, if it is one.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Whether what was asked for was done.
    pub const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// All of it as one text, to search in.
    pub fn text(&self) -> String {
        let headers: Vec<String> =
            self.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        format!("{}\n{}\n\n{}", self.status, headers.join("\n"), self.body)
    }
}

/// The way to one instance of the API.
#[derive(Clone, Debug)]
pub struct Front {
    /// Where it is.
    pub base: String,
    http: reqwest::Client,
}

impl Front {
    /// The way to the one at `base`.
    pub fn new(base: &str) -> Self {
        Self { base: base.to_owned(), http: reqwest::Client::new() }
    }

    /// Sends something; the body with its media type.
    pub async fn call(
        &self,
        caller: &Caller,
        method: &Method,
        path: &str,
        body: Option<(&str, String)>,
    ) -> Reply {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.base));
        for (name, value) in &caller.headers {
            request = request.header(*name, value);
        }
        if let Some((media_type, text)) = body {
            request = request.header("content-type", media_type).body(text);
        }
        let answer =
            request.send().await.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let headers = answer.headers().iter().map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        let (status, headers) = (answer.status().as_u16(), headers.collect());
        let body = answer.bytes().await.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        Reply { status, headers, body: String::from_utf8_lossy(&body).into_owned() }
    }

    /// Gets something.
    pub async fn get(&self, caller: &Caller, path: &str) -> Reply {
        self.call(caller, &Method::GET, path, None).await
    }

    /// Posts JSON.
    pub async fn post(&self, caller: &Caller, path: &str, body: &Value) -> Reply {
        let body = Some(("application/json", body.to_string()));
        self.call(caller, &Method::POST, path, body).await
    }

    /// Logs somebody in; their access and refresh tokens.
    pub async fn log_in(
        &self,
        project: &str,
        email: &str,
        password: &str,
    ) -> Option<(String, String)> {
        let body = serde_json::json!({ "project": project, "email": email, "password": password });
        let answer = self.post(&Caller::nobody(), "/api/v1/auth/login", &body).await;
        let tokens = answer.json();
        let text = |name: &str| tokens[name].as_str().map(str::to_owned);
        text("access_token").zip(text("refresh_token"))
    }
}
