//! The demonstration: on the first start of `bellbuoy up` in development, a project with a rule of each kind that rings, a key
//! to ring them with, and a small receiver in this process where the alerts can be seen.

use std::sync::Arc;

use config::HttpUrl;
use domain::absence::Absence;
use domain::id::ProjectId;
use domain::permission::{ADMIN, SUPER_ADMIN};
use domain::rule::{Over, Priority, RuleBody, RuleKind, Suppression};
use runtime::app::App;
use runtime::process::{Failure, Role};
use services::admin::{AdminError, Invitee};
use services::audit::Initiator;
use services::onboarding;
use store::StoreError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::password::made;

const SLUG: &str = "demo";
const ENDPOINT: &str = "this terminal";

/// The demonstration, as something that the process does until it ends.
pub fn role() -> Role {
    Role::new("demo", run)
}

/// Makes the demonstration if it is wanted and not there, and runs its receiver until `stop`.
async fn run(app: Arc<App>, stop: CancellationToken) -> Result<(), Failure> {
    if !app.config.demo.enabled {
        stop.cancelled().await;
        return Ok(());
    }
    let login = super_admin(&app).await?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("http://{}/ring", listener.local_addr()?);
    match app.store.project_by_slug(SLUG).await? {
        Some(project) => {
            // The receiver has another port at each start.
            let endpoints = app.store.rule_source(project.id).await?.endpoints;
            for endpoint in endpoints.iter().filter(|endpoint| endpoint.name == ENDPOINT) {
                app.store.move_endpoint(project.id, endpoint.id, &url, app.clock.now()).await?;
            }
            let base = app.config.http.public_url().base();
            shown(format_args!(
                "The demo project is there from an earlier start, which printed its key. API: {base}"
            ));
        }
        None => make(&app, &url, login.as_deref()).await?,
    }
    stop.run_until_cancelled(receive(listener)).await;
    Ok(())
}

const PLATFORM_LOGIN: &str = "root@example.com";
const DEMO_LOGIN: &str = "admin@example.com";

/// Makes the first super admin, if there is none; answers their password.
async fn super_admin(app: &App) -> Result<Option<String>, Failure> {
    if app.admin.has_super_admin().await? {
        return Ok(None);
    }
    let password = made(PLATFORM_LOGIN, app.admin.password_policy(ProjectId::PLATFORM));
    let new = Invitee {
        email: PLATFORM_LOGIN.to_owned(),
        full_name: "Super Admin".to_owned(),
        password: Some(password.clone()),
        roles: vec![SUPER_ADMIN.to_owned()],
    };
    match app.admin.create_user(ProjectId::PLATFORM, new, &Initiator::system()).await {
        Ok(_) => Ok(Some(password)),
        // Another process was faster; it prints the password.
        Err(AdminError::Conflict(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn make(app: &App, url: &str, login: Option<&str>) -> Result<(), Failure> {
    let (store, now) = (&app.store, app.clock.now());
    let (project, key) = match onboarding::project(store, SLUG, "Demo", now).await {
        Ok(made) => made,
        // Another process was faster; it prints the key.
        Err(onboarding::OnboardingError::Store(StoreError::Conflict(_))) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    onboarding::responder(store, project, "on_call", "night.watch@example.com", "Night Watch", now)
        .await?;
    onboarding::endpoint(store, &app.sealer, project, ENDPOINT, url, now).await?;
    for rule in rules() {
        onboarding::rule(store, project, rule, now).await?;
    }
    let policy = app.admin.password_policy(project);
    let password = login.map_or_else(|| made(DEMO_LOGIN, policy), str::to_owned);
    let admin = Invitee {
        email: DEMO_LOGIN.to_owned(),
        full_name: "Demo Admin".to_owned(),
        password: Some(password.clone()),
        roles: vec![ADMIN.to_owned()],
    };
    app.admin.create_user(project, admin, &Initiator::system()).await?;
    let platform = match login {
        Some(_) => format!("{PLATFORM_LOGIN} in the project platform, the same password"),
        None => "there was one before".to_owned(),
    };
    let base = app.config.http.public_url().base();
    let ops = HttpUrl::of(app.config.ops.listen).base();
    shown(format_args!(
        r#"
Bellbuoy is up. A demo project is ready. Its rules ring when a payment is over 1000 (at most three
times in 30 seconds for one customer, and then a summary), when a disk is full and when it no longer
is, and when a heartbeat does not come.

  API       {base}/api/v1      reference: {base}/docs
  health    {ops}/health   metrics: {ops}/metrics
  API key   {key}   (shown this once)
  login     {DEMO_LOGIN} in the project {SLUG}, password {password}   (shown this once)
  platform  {platform}

Ring it:

  curl -s {base}/api/v1/events -H 'X-API-Key: {key}' -H 'Content-Type: application/json' \
    -d '{{"type":"payment.received","payload":{{"amount":1500,"customer":"c-7"}}}}'

The alert appears in this terminal. Why it rang (or did not): GET {base}/api/v1/events/<id>/trace
Send it eight times, and five of them come as one summary. Or with another body:

  {{"type":"disk.usage","payload":{{"host":"db-1","percent":95}}}}     then with "percent":40
  {{"type":"heartbeat","payload":{{"host":"db-1"}}}}                    and no other for 20 seconds
"#,
        key = key.text(),
    ));
    Ok(())
}

/// A rule of each kind.
fn rules() -> [RuleBody; 3] {
    let base = |name: &str, path: &str, condition: &str| RuleBody {
        priority: Priority::High,
        target_roles: vec!["on_call".to_owned()],
        group_by: vec![path.to_owned()],
        ..RuleBody::new(name, condition)
    };
    [
        RuleBody {
            description: "Somebody should look at this payment.".to_owned(),
            suppression: Some(Suppression { count: 3, seconds: 30, over: Over::Digest }),
            ..base(
                "A payment is large",
                "event.payload.customer",
                r#"event.type == "payment.received" && event.payload.amount > 1000"#,
            )
        },
        RuleBody {
            description: "It is over when less than 80 % are used.".to_owned(),
            resolve_condition: Some(
                r#"event.type == "disk.usage" && event.payload.percent < 80"#.to_owned(),
            ),
            notify_resolved: true,
            suppression: Some(Suppression::new(1, 300)),
            ..base(
                "A disk is nearly full",
                "event.payload.host",
                r#"event.type == "disk.usage" && event.payload.percent > 90"#,
            )
        },
        RuleBody {
            description: "It should come every 20 seconds.".to_owned(),
            kind: RuleKind::Absence,
            absence: Some(Absence { seconds: Some(20), cron: None, timezone: None }),
            priority: Priority::Critical,
            ..base("A heartbeat is missing", "event.payload.host", r#"event.type == "heartbeat""#)
        },
    ]
}

/// Shows something in the terminal. A process that serves goes on when nobody looks.
fn shown(words: std::fmt::Arguments<'_>) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout().lock(), "{words}");
}

/// Prints every webhook that comes.
async fn receive(listener: TcpListener) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        tokio::spawn(async move {
            if let Err(error) = answer(socket).await {
                tracing::debug!(%error, "the demo's receiver lost a connection");
            }
        });
    }
}

/// The most that the receiver reads of one request.
const MOST: usize = 1 << 20;

async fn answer(mut socket: TcpStream) -> std::io::Result<()> {
    let mut read = Vec::new();
    loop {
        let Some((head, length)) = head(&read) else {
            if read.len() > MOST || socket.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
            continue;
        };
        while read.len() < head + length.min(MOST) {
            if socket.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
        }
        show(&read[head..head + length.min(MOST)]);
        read.drain(..head + length.min(MOST));
        socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await?;
    }
}

/// Where the body of a request begins and how long it is; nothing while its head is not there.
fn head(read: &[u8]) -> Option<(usize, usize)> {
    let end = read.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
    let length =
        text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    Some((end, length.unwrap_or(0)))
}

fn show(body: &[u8]) {
    let Ok(message) = serde_json::from_slice::<serde_json::Value>(body) else { return };
    shown(format_args!("\x07{}", line(&message["data"])));
}

/// What the terminal shows of a webhook; a summary and the end of an alert come without an event.
fn line(data: &serde_json::Value) -> String {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let body = match text(&data["body"]) {
        body if body.is_empty() => body,
        body => format!(" - {body}"),
    };
    let event = match &data["event"] {
        event if event.is_object() => {
            format!(" (event {}: {})", text(&event["id"]), event["payload"])
        }
        _ => String::new(),
    };
    format!("RING [{}] {}{body}{event}", text(&data["priority"]), text(&data["title"]))
}

#[cfg(test)]
mod tests {
    use super::{head, line, rules};
    use serde_json::json;

    #[test]
    fn a_line_says_what_there_is() {
        let event = json!({ "id": "e1", "payload": { "amount": 1500 } });
        for (body, event, wanted) in [
            ("Look.", event, "RING [high] Paid - Look. (event e1: {\"amount\":1500})"),
            ("", json!(null), "RING [high] Paid"),
        ] {
            let data = json!({ "priority": "high", "title": "Paid", "body": body, "event": event });
            assert_eq!(line(&data), wanted);
        }
    }

    #[test]
    fn the_rules_are_right() {
        for rule in rules() {
            assert_eq!(rule.faults(), [], "{}", rule.name);
        }
    }

    #[test]
    fn a_request_is_read_when_it_is_there() {
        assert_eq!(head(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n"), None);
        assert_eq!(head(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab"), Some((38, 2)));
    }
}
