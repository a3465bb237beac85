//! Everything that an engine holds, as text: bytes in hexadecimal digits, and on MariaDB all of it.

use bellbuoy_harness::TestApp;
use config::StoreUrl;
use domain::id::ProjectId;
use files::key::FilePrefix;
use futures_util::StreamExt;
use sqlx::{AssertSqlSafe, Connection};

/// Every table with its rows, in lower case. Payloads of events are the producers' and left out.
pub async fn database(app: &TestApp) -> Vec<(String, String)> {
    let mut all = Vec::new();
    match &app.app.config.store.url {
        StoreUrl::Sqlite { path } => {
            let url = format!("sqlite://{}", path.display());
            let mut raw = sqlx::SqliteConnection::connect(&url).await.expect("opens");
            let columns: Vec<(String, String)> = sqlx::query_as(
                "SELECT m.name, i.name FROM sqlite_master m JOIN pragma_table_info(m.name) i WHERE m.type = 'table'",
            )
            .fetch_all(&mut raw)
            .await
            .expect("columns");
            for (table, column) in columns {
                let text = AssertSqlSafe(format!("SELECT quote({column}) FROM {table}"));
                let rows: Vec<(String,)> =
                    sqlx::query_as(text).fetch_all(&mut raw).await.expect("rows");
                all.push((format!("{table}.{column}"), join(rows)));
            }
        }
        StoreUrl::Postgres(url) => {
            let mut raw = sqlx::PgConnection::connect(url.expose().as_str()).await.expect("opens");
            let columns: Vec<(String, String)> = sqlx::query_as(
                "SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = 'public'",
            )
            .fetch_all(&mut raw)
            .await
            .expect("columns");
            for (table, column) in columns {
                let text = format!("SELECT COALESCE({column}::text, '') FROM {table}");
                let rows: Vec<(String,)> =
                    sqlx::query_as(AssertSqlSafe(text)).fetch_all(&mut raw).await.expect("rows");
                all.push((format!("{table}.{column}"), join(rows)));
            }
        }
        StoreUrl::Mysql(url) => {
            let mut raw =
                sqlx::MySqlConnection::connect(url.expose().as_str()).await.expect("opens");
            let columns: Vec<(String, String)> = sqlx::query_as(
                "SELECT CAST(table_name AS CHAR), CAST(column_name AS CHAR) FROM information_schema.columns
                 WHERE table_schema = DATABASE()",
            )
            .fetch_all(&mut raw)
            .await
            .expect("columns");
            for (table, column) in columns {
                let text = format!("SELECT COALESCE(HEX(`{column}`), '') FROM `{table}`");
                let rows: Vec<(String,)> =
                    sqlx::query_as(AssertSqlSafe(text)).fetch_all(&mut raw).await.expect("rows");
                all.push((format!("{table}.{column}"), join(rows)));
            }
        }
    }
    all.retain(|(name, _)| name != "events.payload" && !name.starts_with("events_p"));
    all
}

fn join(rows: Vec<(String,)>) -> String {
    rows.into_iter().map(|(text,)| text.to_lowercase()).collect::<Vec<_>>().join("\n")
}

/// Every file of a project: its path and what is in it.
pub async fn files(app: &TestApp, project: ProjectId) -> Vec<(String, String)> {
    let prefix = FilePrefix::new(project, "").expect("all of it");
    let page = app.app.files.list(&prefix, None, 1000).await.expect("lists");
    let mut all = Vec::new();
    for file in page.files {
        let mut body = app.app.files.get(&file.key, None).await.expect("opens").body;
        let mut text = Vec::new();
        while let Some(piece) = body.next().await {
            text.extend_from_slice(&piece.expect("reads"));
        }
        all.push((file.key.to_string(), String::from_utf8_lossy(&text).into_owned()));
    }
    all
}

/// Where any of these stands, as it is or as bytes.
pub fn found(all: &[(String, String)], words: &[&str]) -> Vec<String> {
    let mut places = Vec::new();
    for word in words {
        let plain = word.to_lowercase();
        let same = hex(word);
        let lower = hex(&plain);
        for (place, text) in all {
            let text = text.to_lowercase();
            if [&plain, &same, &lower].into_iter().any(|form| text.contains(form.as_str())) {
                places.push(format!("{word} in {place}"));
            }
        }
    }
    places
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
