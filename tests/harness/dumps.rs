//! All that an engine holds, as texts to search in.

use uuid::Uuid;

use crate::books::Books;

impl Books {
    /// The tables whose rows belong to projects.
    pub async fn tables_of_projects(&self) -> Vec<String> {
        let text = match self {
            Self::Sqlite(_) => {
                "SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
                  WHERE m.type = 'table' AND c.name = 'project_id' ORDER BY m.name"
            }
            Self::Postgres(_) => {
                "SELECT c.table_name::text FROM information_schema.columns c
                   JOIN information_schema.tables t
                     ON t.table_name = c.table_name AND t.table_schema = c.table_schema
                  WHERE c.column_name = 'project_id' AND c.table_schema = current_schema()
                    AND t.table_type = 'BASE TABLE' ORDER BY 1"
            }
            Self::Mysql(_) => {
                "SELECT CAST(table_name AS CHAR) FROM information_schema.columns
                  WHERE column_name = 'project_id' AND table_schema = DATABASE() ORDER BY 1"
            }
        };
        self.texts(text).await
    }

    /// The rows of a table, those of a project if one is named. Bytes are written as hexadecimal, and MySQL writes all
    /// values so.
    pub async fn dump(&self, table: &str, project: Option<Uuid>) -> Vec<String> {
        let columns = self.columns(table).await;
        let condition = |value: String| {
            project.map_or(String::new(), |_| format!(" WHERE project_id = {value}"))
        };
        let id = project.unwrap_or_default();
        let text = match self {
            Self::Sqlite(_) => {
                let all: Vec<String> =
                    columns.iter().map(|name| format!("quote(\"{name}\")")).collect();
                let condition = condition(format!("X'{}'", id.simple()));
                format!("SELECT {} FROM {table}{condition}", all.join(" || '|' || "))
            }
            Self::Postgres(_) => {
                let condition = condition(format!("'{id}'"));
                format!("SELECT row_to_json(t)::text FROM {table} t{condition}")
            }
            Self::Mysql(_) => {
                let all: Vec<String> =
                    columns.iter().map(|name| format!("HEX(`{name}`)")).collect();
                let condition = condition(format!("X'{}'", id.simple()));
                format!("SELECT CONCAT_WS('|', {}) FROM {table}{condition}", all.join(", "))
            }
        };
        self.texts(&text).await
    }

    async fn columns(&self, table: &str) -> Vec<String> {
        match self {
            Self::Sqlite(_) => {
                self.texts(&format!("SELECT name FROM pragma_table_info('{table}')")).await
            }
            // A row is one value there.
            Self::Postgres(_) => Vec::new(),
            Self::Mysql(_) => {
                let text = format!(
                    "SELECT CAST(column_name AS CHAR) FROM information_schema.columns
                      WHERE table_name = '{table}' AND table_schema = DATABASE()"
                );
                self.texts(&text).await
            }
        }
    }

    async fn texts(&self, text: &str) -> Vec<String> {
        let text = sqlx::AssertSqlSafe(text.to_owned());
        match self {
            Self::Sqlite(pool) => sqlx::query_scalar::<_, String>(text).fetch_all(pool).await,
            Self::Postgres(pool) => sqlx::query_scalar::<_, String>(text).fetch_all(pool).await,
            Self::Mysql(pool) => sqlx::query_scalar::<_, String>(text).fetch_all(pool).await,
        }
        .expect("rows")
    }
}

/// What stands under the keys of a Redis whose names hold `prefix`, each value as a text.
pub fn redis_contents(url: &str, prefix: &str) -> Vec<String> {
    let client = redis::Client::open(url).expect("an address");
    let mut connection = client.get_connection().expect("a connection");
    let mut all = Vec::new();
    // Names hold ids as bytes.
    let keys: Vec<Vec<u8>> =
        redis::cmd("KEYS").arg(format!("*{prefix}*")).query(&mut connection).expect("keys");
    for key in keys {
        let kind: String = redis::cmd("TYPE").arg(&key).query(&mut connection).expect("a kind");
        let mut command = match kind.as_str() {
            "string" => redis::cmd("GET"),
            "hash" => redis::cmd("HGETALL"),
            "list" => redis::cmd("LRANGE"),
            "set" => redis::cmd("SMEMBERS"),
            "zset" => redis::cmd("ZRANGE"),
            _ => continue,
        };
        command.arg(&key);
        if matches!(kind.as_str(), "list" | "zset") {
            command.arg(0).arg(-1);
        }
        let value: redis::Value = command.query(&mut connection).expect("a value");
        texts_of(&value, &mut all);
    }
    all
}

fn texts_of(value: &redis::Value, all: &mut Vec<String>) {
    match value {
        redis::Value::BulkString(bytes) => all.push(String::from_utf8_lossy(bytes).into_owned()),
        redis::Value::Array(values) | redis::Value::Set(values) => {
            values.iter().for_each(|value| texts_of(value, all));
        }
        redis::Value::Map(pairs) => pairs.iter().for_each(|(_, value)| texts_of(value, all)),
        _ => {}
    }
}
