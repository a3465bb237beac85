//! Who may do what: every operation of the OpenAPI document is called by somebody of every built-in role, by keys of every
//! scope and by nobody, and what came of it is compared with the table that users read.

#![allow(clippy::expect_used, reason = "a test that can't go on should say so at once")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bellbuoy_harness::account::PASSWORD;
use bellbuoy_harness::cluster::Role;
use bellbuoy_harness::front::Reply;
use bellbuoy_harness::surface::Operation;
use bellbuoy_harness::surface::filled::SCOPES;
use bellbuoy_harness::{Caller, Pair, Served, Surface, on_pairs};
use domain::permission::{PLATFORM_ROLES, PROJECT_ROLES};
use serde_json::json;

on_pairs! {
    the_table_says_who_may_do_what
}

/// What the table of the page begins with; the text before it is kept when the table is written anew.
const FIRST: &str = "| operation |";

/// What an answer says to somebody who may not.
const REFUSALS: [&str; 3] = ["unauthenticated", "forbidden", "missing_scope"];

/// Somebody who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A person of the project, with one role.
    Project(&'static str),
    /// A person of the platform, with one role.
    Platform(&'static str),
    /// A key of the project, with one scope.
    Key(&'static str),
    Nobody,
}

impl Kind {
    fn all() -> Vec<Self> {
        let project = PROJECT_ROLES.iter().map(|role| Self::Project(role.name));
        let platform = PLATFORM_ROLES.iter().map(|role| Self::Platform(role.name));
        let keys = SCOPES.into_iter().map(Self::Key);
        project.chain(platform).chain(keys).chain([Self::Nobody]).collect()
    }

    fn title(self) -> String {
        match self {
            Self::Project(name) | Self::Platform(name) => format!("`{name}`"),
            Self::Key(scope) => format!("key `{scope}`"),
            Self::Nobody => "nobody".to_owned(),
        }
    }
}

/// The product and those who may make others.
struct Scene {
    served: Served,
    root: Caller,
    admin: Caller,
    made: usize,
}

/// What is allowed, by operation: a cell for each kind of caller.
type Table = BTreeMap<String, Vec<bool>>;

async fn the_table_says_who_may_do_what(pair: Pair) {
    let mut scene = Scene::new(pair).await;
    let document = scene.served.front.get(&Caller::nobody(), "/api/v1/openapi.json").await;
    let surface = Surface::read(&document.body);
    let mut found = Table::new();
    let titles: Vec<String> = surface.operations.iter().map(Operation::title).collect();
    for kind in Kind::all() {
        let mut caller = scene.caller(kind).await;
        for operation in &surface.operations {
            let allowed = scene.may(kind, &mut caller, operation).await;
            found.entry(operation.title()).or_default().push(allowed);
        }
    }
    let page = std::fs::read_to_string(page()).expect("the page is there");
    if std::env::var_os("BELLBUOY_TEST_UPDATE").is_some() {
        // One of the pairs is enough, and two would write at the same time.
        if pair == Pair::SqliteSql {
            let text = page.split(FIRST).next().unwrap_or_default();
            std::fs::write(self::page(), format!("{text}{}", written(&titles, &found)))
                .expect("writes");
        }
        return;
    }
    let faults = compare(&read(&page), &found);
    assert!(
        faults.is_empty(),
        "{}\nIf that is what shall be, write the table anew with BELLBUOY_TEST_UPDATE=1 cargo test --test authorization, \
         and look at what has changed.",
        faults.join("\n")
    );
    let wanted = written(&titles, &found);
    assert!(page.ends_with(&wanted), "the table is not written as it should be; write it anew");
}

impl Scene {
    async fn new(pair: Pair) -> Self {
        let program = env!("CARGO_BIN_EXE_bellbuoy");
        let served = Served::start(program, pair, &[Role::Up], |_| {}).await;
        let root = served.root().await;
        let new = json!({
            "slug": "acme", "name": "Acme",
            "admin": { "email": "admin@example.com", "full_name": "Ada", "password": PASSWORD },
        });
        let made = served.front.post(&root, "/api/v1/projects", &new).await;
        assert_eq!(made.status, 201, "{made:?}");
        let tokens = served.front.log_in("acme", "admin@example.com", PASSWORD).await;
        let admin = Caller::token(&tokens.expect("the admin logs in").0);
        Self { served, root, admin, made: 0 }
    }

    /// Somebody new of this kind: what they were used for before may have ended them.
    async fn caller(&mut self, kind: Kind) -> Caller {
        let front = self.served.front.clone();
        let (project, maker, role) = match kind {
            Kind::Nobody => return Caller::nobody(),
            Kind::Key(scope) => {
                let new = json!({ "name": scope, "scopes": [scope] });
                let made = front.post(&self.admin, "/api/v1/keys", &new).await;
                assert_eq!(made.status, 201, "{made:?}");
                return Caller::key(made.json()["api_key"].as_str().expect("a key"));
            }
            Kind::Project(role) => ("acme", &self.admin, role),
            Kind::Platform(role) => ("platform", &self.root, role),
        };
        self.made += 1;
        let email = format!("somebody-{}@example.com", self.made);
        let new =
            json!({ "email": email, "full_name": role, "password": PASSWORD, "roles": [role] });
        let made = front.post(maker, "/api/v1/users", &new).await;
        assert_eq!(made.status, 201, "{made:?}");
        let tokens = front.log_in(project, &email, PASSWORD).await;
        Caller::token(&tokens.expect("they log in").0)
    }

    /// Calls an operation on something that is nowhere, with a body that says nothing: who may is judged before both.
    async fn may(&mut self, kind: Kind, caller: &mut Caller, operation: &Operation) -> bool {
        let mut reply = self.call(caller, operation).await;
        let is_out = |reply: &Reply| reply.status == 401 && reply.code() != "unauthenticated";
        if is_out(&reply) && !operation.is_open() {
            *caller = self.caller(kind).await;
            reply = self.call(caller, operation).await;
            let (title, who) = (operation.title(), kind.title());
            assert!(!is_out(&reply), "{title} as {who}: {reply:?}");
        }
        assert!(reply.status < 500, "{}: {reply:?}", operation.title());
        if let Kind::Key(_) = kind {
            // The same key in the other header may the same.
            let same = self.call(&Caller::token(&caller.headers[0].1), operation).await;
            assert_eq!((same.status, same.code()), (reply.status, reply.code()), "{same:?}");
        }
        assert_ne!(reply.status, 429, "{}: {reply:?}", operation.title());
        !(matches!(reply.status, 401 | 403) && REFUSALS.contains(&reply.code().as_str()))
    }

    async fn call(&self, caller: &Caller, operation: &Operation) -> Reply {
        let nowhere = || uuid::Uuid::now_v7().to_string();
        let values: Vec<String> = operation.places().iter().map(|_| nowhere()).collect();
        let body = operation.body.as_ref();
        let body = body.map(|(media_type, _)| (media_type.as_str(), "{}".to_owned()));
        let path = operation.at(&values);
        self.served.front.call(caller, &operation.method, &path, body).await
    }
}

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/users/authorization.md")
}

/// The table as it is written, in the order of the document.
fn written(titles: &[String], table: &Table) -> String {
    let heads: Vec<String> = Kind::all().into_iter().map(Kind::title).collect();
    let mut text =
        format!("{FIRST} {} |\n| --- |{}\n", heads.join(" | "), " :-: |".repeat(heads.len()));
    for title in titles {
        let cells: Vec<&str> =
            table[title].iter().map(|allowed| if *allowed { "yes" } else { "·" }).collect();
        text += &format!("| `{title}` | {} |\n", cells.join(" | "));
    }
    text
}

/// The table of a page.
fn read(page: &str) -> Table {
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let cells = |row: &str| -> Vec<String> {
        row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let row = |row: &str| {
        let cells = cells(row);
        let allowed = cells[1..].iter().map(|cell| cell == "yes").collect();
        (cells[0].trim_matches('`').to_owned(), allowed)
    };
    rows.map(row).collect()
}

fn compare(table: &Table, found: &Table) -> Vec<String> {
    let mut faults = Vec::new();
    let gone = table.keys().filter(|title| !found.contains_key(*title));
    faults.extend(gone.map(|title| format!("{title} stands in the table and is no operation")));
    for (title, cells) in found {
        let Some(wanted) = table.get(title) else {
            faults.push(format!("{title} is not in the table of docs/users/authorization.md"));
            continue;
        };
        for (at, kind) in Kind::all().into_iter().enumerate() {
            let (is, said) = (cells.get(at), wanted.get(at));
            if is != said {
                let word = |may: Option<&bool>| match may {
                    Some(true) => "may",
                    Some(false) => "may not",
                    None => "nothing",
                };
                let who = kind.title();
                faults.push(format!(
                    "{title}: {who} {}, and the table says {}",
                    word(is),
                    word(said)
                ));
            }
        }
    }
    faults
}
