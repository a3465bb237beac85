//! What the API's tests ask: the product as it starts in development, with projects and keys that its own services made.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use config::{ByteSize, Config, FilesUrl, MailUrl, StoreUrl};
use domain::clock::{Clock, ManualClock};
use domain::id::{KeyId, ProjectId};
use domain::key::Scope;
use domain::precondition::Precondition;
use domain::settings::{RateLimits, Settings};
use domain::time::Time;
use poem::endpoint::BoxEndpoint;
use poem::test::{TestClient, TestRequestBuilder};
use poem::{Body, EndpointExt, Response};
use runtime::app::App;
use services::admin::{Admin, KeyChange, MadeProject, Onboarding};
use services::audit::Initiator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::{EVENTS, Got, send};

type Client = TestClient<BoxEndpoint<'static, Response>>;

/// The page of the project `acme`, which is the only one that set any.
pub const PAGE_OF_ACME: &str = "https://one.example.com";

/// What a store says that refuses an event; nobody outside may read it.
pub const WORDS: &str = "secret words";

/// How long the key that has expired was good.
const SHORT: Duration = Duration::from_secs(60);

const DATABASE: &str = "bellbuoy.db";
const SEAL_KEY: &str = "seal.key";

/// The product, and those who call it.
pub struct Scene {
    /// The product.
    pub app: Arc<App>,
    /// Its clock, which stands still.
    pub clock: ManualClock,
    /// The API without a socket.
    pub client: Client,
    /// Who calls it.
    pub callers: Callers,
    /// Where the product keeps everything; it is deleted with the scene.
    pub folder: TempDir,
}

/// Projects, and the texts of their keys.
#[derive(Clone)]
pub struct Callers {
    /// The project `acme`.
    pub acme: ProjectId,
    /// Its first key, which may do everything.
    pub key: String,
    /// The id of that key.
    pub key_id: KeyId,
    /// A key of the same project that may only read.
    pub reader: String,
    /// A key of it that has expired.
    pub expired: String,
    /// A key of it that was revoked.
    pub revoked: String,
    /// Another project.
    pub globex: ProjectId,
    /// Its key.
    pub other: String,
    /// The key of a project that is suspended.
    pub suspended: String,
    /// The key of a project that may send two requests at once, and one a second.
    pub flooding: String,
    /// The key of a project that may send two events at once, and one a second.
    pub metered: String,
}

/// What every scene begins with: making it takes longer than copying it.
struct Template {
    database: Vec<u8>,
    seal_key: Vec<u8>,
    callers: Callers,
    now: Time,
}

static TEMPLATE: OnceCell<Template> = OnceCell::const_new();

impl Scene {
    /// The product as it starts in development.
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// The product with a configuration that `change` has changed.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let template = TEMPLATE.get_or_init(template).await;
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(DATABASE), &template.database).expect("a database");
        write_private(&folder.path().join(SEAL_KEY), &template.seal_key);
        let mut config = config_in(folder.path());
        change(&mut config);
        let clock = ManualClock::at(template.now);
        let app = App::start(config, Clock::Manual(clock.clone()), "api").await.expect("a start");
        let client = TestClient::new(crate::endpoint(&app).boxed());
        Self { app, clock, client, callers: template.callers.clone(), folder }
    }

    /// A read with the first key.
    pub fn get(
        &self,
        path: impl AsRef<str>,
    ) -> TestRequestBuilder<'_, BoxEndpoint<'static, Response>> {
        self.client.get(path.as_ref()).header("x-api-key", &self.callers.key)
    }

    /// A write with the first key.
    pub fn post(
        &self,
        path: impl AsRef<str>,
    ) -> TestRequestBuilder<'_, BoxEndpoint<'static, Response>> {
        self.client.post(path.as_ref()).header("x-api-key", &self.callers.key)
    }

    /// Reads with that key.
    pub async fn read(&self, path: impl AsRef<str>, key: &str) -> Got {
        send(self.client.get(path.as_ref()).header("x-api-key", key)).await
    }

    /// Writes with the first key.
    pub async fn write(
        &self,
        path: impl AsRef<str>,
        media_type: &str,
        body: impl Into<Body>,
    ) -> Got {
        send(self.post(path).content_type(media_type).body(body)).await
    }

    /// Sends requests of the project that may send few until one is refused; the next one is, too.
    pub async fn flood(&self) {
        for _ in 0..10 {
            if self.read(EVENTS, &self.callers.flooding).await.status == 429 {
                return;
            }
        }
        panic!("nothing was refused");
    }

    /// Takes the store away for good.
    pub async fn lose_store(&self) {
        self.app.store.close().await;
    }

    /// Puts what leads to nothing in the place of the files.
    pub fn lose_files(&self) {
        let files = files_in(self.folder.path());
        std::fs::remove_dir_all(&files).expect("the files go");
        loop_at(&files);
    }

    /// Runs a statement on the database from outside of the product.
    pub async fn sql(&self, statement: impl Into<String>) {
        let mut connection = self.connect().await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement.into()))
            .execute(&mut connection)
            .await
            .expect("done");
    }

    /// Lets the store refuse events of that type, each alone, with a fault that has words.
    pub async fn refuse_events_of(&self, kind: &str) {
        let statement = format!(
            "CREATE TRIGGER refused BEFORE INSERT ON events WHEN NEW.kind = '{kind}' \
             BEGIN SELECT RAISE(ABORT, '{WORDS}'); END"
        );
        self.sql(statement).await;
    }

    /// Holds the lock under which everything is written, until the connection is dropped.
    pub async fn hold_writes(&self) -> SqliteConnection {
        let mut connection = self.connect().await;
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut connection).await.expect("a lock");
        connection
    }

    async fn connect(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.folder.path().join(DATABASE));
        options.disable_statement_logging().connect().await.expect("a connection")
    }
}

/// A link that leads to itself: opening it fails, and says why in words.
pub fn loop_at(path: &Path) {
    std::os::unix::fs::symlink(path, path).expect("a link");
}

/// Where the files of a scene in that folder are.
pub fn files_in(folder: &Path) -> PathBuf {
    folder.join("files")
}

fn config_in(folder: &Path) -> Config {
    let mut config = Config::development();
    config.store.url = StoreUrl::sqlite(folder.join(DATABASE));
    config.seal.dev_key_path = folder.join(SEAL_KEY);
    config.files.url = FilesUrl::disk(files_in(folder));
    config.mail.url = MailUrl::mailbox(folder.join("mailbox"));
    // Nobody guesses at these passwords.
    config.auth.hash_memory = ByteSize::kib(64);
    config.auth.hash_passes = 1;
    config
}

fn write_private(path: &Path, bytes: &[u8]) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(bytes)).expect("a file");
}

async fn template() -> Template {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = ManualClock::at(Time::parse("2026-03-01T12:00:00Z").expect("a time"));
    let config = config_in(folder.path());
    let app = App::start(config, Clock::Manual(clock.clone()), "api").await.expect("a start");
    let callers = callers(&app).await;
    clock.advance(SHORT);
    app.close().await;
    let read = |name: &str| std::fs::read(folder.path().join(name)).expect("a file");
    Template { database: read(DATABASE), seal_key: read(SEAL_KEY), callers, now: app.clock.now() }
}

async fn callers(app: &App) -> Callers {
    let (admin, initiator) = (&app.admin, Initiator::system());
    let acme = project(admin, "acme").await;
    let id = acme.project.id;
    let page = Settings { cors_origins: vec![PAGE_OF_ACME.to_owned()], ..Settings::default() };
    set(admin, id, page).await;
    let key = async |name: &str, expires_at| {
        let name = name.to_owned();
        let change = KeyChange { name, scopes: vec![Scope::Read], expires_at };
        admin.create_key(id, change, &initiator).await.expect("a key")
    };
    let reader = key("reader", None).await.plain.text();
    let expired = key("expired", Some(app.clock.now().plus(SHORT))).await.plain.text();
    let revoked = key("revoked", None).await;
    admin.revoke_key(id, revoked.key.id, &initiator).await.expect("revoked");
    let globex = project(admin, "globex").await;
    let suspended = project(admin, "suspended").await;
    admin.set_project_works(suspended.project.id, false, &initiator).await.expect("suspended");
    let limited = async |slug: &str, rate_limits: RateLimits| {
        let made = project(admin, slug).await;
        set(admin, made.project.id, Settings { rate_limits, ..Settings::default() }).await;
        made.key.1.text()
    };
    let once = Some(1);
    let requests = RateLimits { key_per_second: once, ..RateLimits::default() };
    let events = RateLimits { events_per_second: once, ..RateLimits::default() };
    Callers {
        acme: id,
        key: acme.key.1.text(),
        key_id: acme.key.0,
        reader,
        expired,
        revoked: revoked.plain.text(),
        globex: globex.project.id,
        other: globex.key.1.text(),
        suspended: suspended.key.1.text(),
        flooding: limited("flooding", requests).await,
        metered: limited("metered", events).await,
    }
}

async fn project(admin: &Admin, slug: &str) -> MadeProject {
    let new = Onboarding {
        slug: slug.to_owned(),
        name: slug.to_owned(),
        description: String::new(),
        admin_email: format!("admin@{slug}.example"),
        admin_name: "Ana Admin".to_owned(),
        admin_password: "correct horse battery".to_owned(),
    };
    admin.onboard(new, &Initiator::system()).await.expect("a project")
}

async fn set(admin: &Admin, project: ProjectId, settings: Settings) {
    let initiator = Initiator::system();
    let set = admin.put_settings(project, settings, &Precondition::None, &initiator).await;
    set.expect("settings");
}
