//! Do the examples of the pages work? Every shell snippet with curl in it is run, in the order of its page, against the
//! product, and must be answered as the page says: with success, unless a comment in it names another status.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use bellbuoy::roles::Roles;
use bellbuoy_harness::{Caller, Front, Pair, TestApp};
use config::{ByteSize, Config};
use domain::id::ProjectId;
use domain::permission::SUPER_ADMIN;
use futures_util::future::join_all;
use serde_json::json;
use services::admin::{Invitee, Onboarding};
use services::audit::Initiator;
use tokio::process::Command;

const PASSWORD: &str = "correct horse battery";

/// What stands before each snippet: curl that tells each status on its own line of the other output, and asks nobody but
/// the product. A snippet ends at the first thing that fails.
const PRELUDE: &str = r#"set -euo pipefail
curl() { command curl -q --noproxy '*' --max-time 20 --write-out '%{stderr}\nstatus %{http_code}\n' "$@"; echo; }
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_examples_of_the_pages_work() {
    let pages: Vec<PathBuf> = pages(Path::new(env!("CARGO_MANIFEST_DIR")));
    let told = join_all(pages.iter().map(|page| run_page(page))).await;
    let count: usize = told.iter().map(|(count, _)| count).sum();
    let faults: Vec<String> = told.into_iter().flat_map(|(_, faults)| faults).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(count > 10, "only {count} requests were made");
}

/// The pages that have examples with curl.
fn pages(root: &Path) -> Vec<PathBuf> {
    let mut found = vec![root.join("README.md")];
    let mut folders = vec![root.join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path if path.extension().is_some_and(|end| end == "md") => found.push(path),
                _ => {}
            }
        }
    }
    found.retain(|page| snippets(page).iter().any(|one| one.calls > 0));
    found.sort();
    found
}

/// A block of a page.
struct Snippet {
    language: String,
    text: String,
    calls: usize,
}

impl Snippet {
    /// The statuses that its calls must be answered with; nothing where any success will do.
    fn wanted(&self) -> Vec<Option<u16>> {
        let mut next = None;
        let mut wanted = Vec::new();
        for line in self.text.lines() {
            if let Some(rest) = line.strip_prefix("# answers ") {
                next = rest.get(..3).and_then(|status| status.parse().ok());
            } else if line.starts_with("curl ") {
                wanted.push(next.take());
            }
        }
        wanted
    }
}

fn snippets(page: &Path) -> Vec<Snippet> {
    let text = std::fs::read_to_string(page).expect("a page");
    let mut found = Vec::new();
    let mut open: Option<Snippet> = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(language), None) => {
                let language = language.to_owned();
                open = Some(Snippet { language, text: String::new(), calls: 0 });
            }
            (None, Some(snippet)) => {
                snippet.calls += usize::from(line.starts_with("curl "));
                snippet.text.push_str(line);
                snippet.text.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

/// Runs the snippets of a page against a product of its own; answers how many requests were made and what was wrong.
async fn run_page(page: &Path) -> (usize, Vec<String>) {
    // Some passwords are hashed for each page, and not to be guessed at.
    let cheap = |config: &mut Config| config.auth.hash_memory = ByteSize::kib(64);
    let app = TestApp::with(Pair::SqliteSql, Roles::all(), cheap).await;
    let variables = variables(&app).await;
    let folder = tempfile::tempdir().expect("a folder");
    let (mut count, mut faults) = (0, Vec::new());
    for snippet in snippets(page) {
        if snippet.language == "ndjson" {
            std::fs::write(folder.path().join("events.ndjson"), &snippet.text).expect("writes");
        }
        if snippet.language != "sh" || snippet.calls == 0 {
            continue;
        }
        count += snippet.calls;
        if let Err(why) = run(&snippet, &variables, folder.path()).await {
            faults.push(format!("{}:\n{}{why}\n", page.display(), snippet.text));
        }
    }
    app.stop().await;
    (count, faults)
}

async fn run(
    snippet: &Snippet,
    variables: &BTreeMap<&str, String>,
    folder: &Path,
) -> Result<(), String> {
    // What a reader is to fill in is filled in here.
    let mine = |line: &str| {
        let line = line.strip_prefix("export ").unwrap_or(line);
        let name = line.split_once('=').map(|(name, _)| name);
        name.is_some_and(|name| variables.contains_key(name))
    };
    let lines: Vec<&str> = snippet.text.lines().filter(|line| !mine(line)).collect();
    let script = format!("{PRELUDE}{}\n", lines.join("\n"));
    let path = std::env::var("PATH").unwrap_or_default();
    let done = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder)
        .env_clear()
        .env("PATH", path)
        .envs(variables)
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|error| format!("bash can't be run: {error}"))?;
    let (answer, told) =
        (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    let statuses: Vec<u16> =
        told.lines().filter_map(|line| line.strip_prefix("status ")?.parse().ok()).collect();
    let wanted = snippet.wanted();
    let fits = |(status, wanted): (&u16, &Option<u16>)| match wanted {
        Some(wanted) => status == wanted,
        None => (200..300).contains(status),
    };
    let fine = done.status.success()
        && statuses.len() == wanted.len()
        && statuses.iter().zip(&wanted).all(fits);
    if fine { Ok(()) } else { Err(format!("answered {statuses:?}\n{answer}\n{told}")) }
}

/// What the pages take for granted: a project with an admin, a key, an event, an account that waits and a registration,
/// and a super admin.
async fn variables(app: &TestApp) -> BTreeMap<&'static str, String> {
    let new = Onboarding {
        slug: "acme".to_owned(),
        name: "Acme".to_owned(),
        description: String::new(),
        admin_email: "bo@acme.example".to_owned(),
        admin_name: "Bo Boss".to_owned(),
        admin_password: PASSWORD.to_owned(),
    };
    let admin = &app.app.admin;
    let made = admin.onboard(new, &Initiator::system()).await.expect("a project");
    let root = Invitee {
        email: "root@example.com".to_owned(),
        full_name: "Super Admin".to_owned(),
        password: Some(PASSWORD.to_owned()),
        roles: vec![SUPER_ADMIN.to_owned()],
    };
    let root = admin.create_user(ProjectId::PLATFORM, root, &Initiator::system()).await;
    root.expect("a super admin");
    let front = Front::new(&app.base);
    let log_in = async |project: &str, email: &str| {
        front.log_in(project, email, PASSWORD).await.expect("they log in").0
    };
    let token = log_in("acme", "bo@acme.example").await;
    let key = made.key.1.text();
    let event = json!({ "type": "payment.received", "payload": { "amount": 1 } });
    let event = front.post(&Caller::key(&key), "/api/v1/events", &event).await.json();
    let rule = json!({ "name": "Payments", "condition": "event.payload.amount > 1000", "priority": "high" });
    let rule = front.post(&Caller::token(&token), "/api/v1/rules", &rule).await.json();
    // Nothing listens there.
    let endpoint = json!({ "name": "pager", "url": "http://127.0.0.1:9/", "enabled": false });
    let path = "/api/v1/webhook-endpoints";
    let endpoint = front.post(&Caller::token(&token), path, &endpoint).await.json();
    let project = made.project.id;
    let waiting = app.waiting(project, "wanda@example.com").await;
    let id = |value: &serde_json::Value| value["id"].as_str().expect("an id").to_owned();
    BTreeMap::from([
        ("BELLBUOY", app.base.clone()),
        ("KEY", key),
        ("TOKEN", token),
        ("SUPER_TOKEN", log_in("platform", "root@example.com").await),
        ("PROJECT", "acme".to_owned()),
        ("EVENT", id(&event)),
        ("RULE", id(&rule)),
        ("ENDPOINT", id(&endpoint["endpoint"])),
        ("ACCOUNT", waiting.to_string()),
        ("MAILED", app.registered(project, "nora@example.com").await),
    ])
}
