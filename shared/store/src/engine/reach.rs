//! Why a server can't be used, in the words of whoever has to mend it. A pool tries until its patience ends and then says
//! that alone; here one connection is made, and what became of it is told.

use std::fmt;
use std::io::ErrorKind;
use std::time::Duration;

use sqlx::mysql::MySqlDatabaseError;
use sqlx::{Connection, MySqlConnection, PgConnection};

use super::{mysql, postgres};
use config::{ServerUrl, StoreConfig, StoreUrl};

/// How long a connection may take here, whatever the pool's patience is: whoever asks why waits already.
const PATIENCE: Duration = Duration::from_secs(4);

/// Makes one connection, asks one question, and says what went wrong, if something did.
pub(crate) async fn reach(config: &StoreConfig) -> Result<(), String> {
    let within = config.acquire_timeout.min(PATIENCE);
    let (at, asked) = match &config.url {
        // Opening a file tells what is wrong with it.
        StoreUrl::Sqlite { .. } => return Ok(()),
        StoreUrl::Postgres(url) => (
            Place::of(url, "PostgreSQL", 5432),
            tokio::time::timeout(within, ask_postgres(config, url)).await,
        ),
        StoreUrl::Mysql(url) => (
            Place::of(url, "MySQL", 3306),
            tokio::time::timeout(within, ask_mysql(config, url)).await,
        ),
    };
    match asked {
        Ok(answer) => answer.map_err(|error| at.words(&error)),
        Err(_) => Err(format!(
            "{at} does not answer within {within:?}: is the address right, and does a firewall let us through?"
        )),
    }
}

async fn ask_postgres(config: &StoreConfig, url: &ServerUrl) -> Result<(), sqlx::Error> {
    let options = postgres::options(config, url.expose().as_str())?;
    let mut connection = PgConnection::connect_with(&options).await?;
    sqlx::query("SELECT 1").execute(&mut connection).await?;
    connection.close().await
}

async fn ask_mysql(config: &StoreConfig, url: &ServerUrl) -> Result<(), sqlx::Error> {
    let options = mysql::options(url.expose().as_str())?;
    let mut connection = MySqlConnection::connect_with(&options).await?;
    mysql::prepare(&mut connection, config.statement_timeout, config.lock_timeout).await?;
    connection.close().await
}

/// Where a server should be, and as whom we come.
struct Place {
    kind: &'static str,
    host: String,
    port: u16,
    user: String,
    database: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Place {
    fn of(url: &ServerUrl, kind: &'static str, port: u16) -> Self {
        let (database, url) = (url.database().to_owned(), url.expose());
        Self {
            kind,
            host: url.host_str().unwrap_or_default().to_owned(),
            port: url.port().unwrap_or(port),
            user: url.username().to_owned(),
            database,
        }
    }

    /// What `error` means at this place.
    fn words(&self, error: &sqlx::Error) -> String {
        use sqlx::Error as E;
        let (host, kind) = (&self.host, self.kind);
        match error {
            E::Io(io) if io.kind() == ErrorKind::ConnectionRefused => {
                format!(
                    "{self} refuses connections: is {kind} running there, and is that its port?"
                )
            }
            // What a handshake fails with comes as unreadable data.
            E::Io(io) if io.kind() == ErrorKind::InvalidData => {
                format!("TLS with {self} failed: {io}")
            }
            E::Io(io) if io.to_string().contains("lookup address") => {
                format!("no address is known for the name {host}: {io}")
            }
            E::Io(io) => format!("{self} can't be reached: {io}"),
            E::Tls(why) => format!("TLS with {self} failed: {why}"),
            E::Protocol(why) => format!("what answers at {self} is not {kind}: {why}"),
            E::Database(cause) => {
                let said = cause.message();
                let fault = match cause.try_downcast_ref::<MySqlDatabaseError>() {
                    Some(mysql) => mysql_fault(mysql.number()),
                    None => postgres_fault(cause.code().as_deref()),
                };
                self.refusal(fault, said)
            }
            other => format!("{self}: {other}"),
        }
    }

    fn refusal(&self, fault: Fault, said: &str) -> String {
        let Self { user, database, .. } = self;
        match fault {
            Fault::Login => {
                format!("{self} refuses the login of the user {user:?}: {said}")
            }
            Fault::NoDatabase => {
                format!(
                    "{self} has no database {database:?}; create it, or name another one: {said}"
                )
            }
            Fault::Forbidden => {
                format!("the user {user:?} may not use the database {database:?} at {self}: {said}")
            }
            Fault::Full => format!("{self} takes no more connections: {said}"),
            Fault::Starting => format!("{self} is starting or stopping: {said}"),
            Fault::TlsWanted => {
                format!(
                    "{self} takes connections over TLS alone; ask for it in the address: {said}"
                )
            }
            Fault::Other => format!("{self}: {said}"),
        }
    }
}

/// What a server says no to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Login,
    NoDatabase,
    Forbidden,
    Full,
    Starting,
    TlsWanted,
    Other,
}

fn postgres_fault(code: Option<&str>) -> Fault {
    match code.unwrap_or_default() {
        "28P01" | "28000" => Fault::Login,
        "3D000" => Fault::NoDatabase,
        "42501" => Fault::Forbidden,
        "53300" => Fault::Full,
        "57P01" | "57P02" | "57P03" => Fault::Starting,
        _ => Fault::Other,
    }
}

const fn mysql_fault(number: u16) -> Fault {
    match number {
        1045 | 1130 | 1698 => Fault::Login,
        1049 => Fault::NoDatabase,
        1044 => Fault::Forbidden,
        1040 | 1203 | 1226 => Fault::Full,
        1053 => Fault::Starting,
        3159 => Fault::TlsWanted,
        _ => Fault::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_with_their_place() {
        let at = Place {
            kind: "PostgreSQL",
            host: "db.example.com".to_owned(),
            port: 5432,
            user: "ana".to_owned(),
            database: "alerts".to_owned(),
        };
        let io = |kind, text: &'static str| sqlx::Error::Io(std::io::Error::new(kind, text));
        for (error, told) in [
            (io(ErrorKind::ConnectionRefused, "x"), "db.example.com:5432 refuses connections"),
            (
                io(ErrorKind::InvalidData, "invalid peer certificate"),
                "TLS with db.example.com:5432",
            ),
            (io(ErrorKind::Other, "failed to lookup address information"), "no address is known"),
            (io(ErrorKind::HostUnreachable, "x"), "db.example.com:5432 can't be reached"),
            (sqlx::Error::Protocol("odd".to_owned()), "is not PostgreSQL"),
        ] {
            let words = at.words(&error);
            assert!(words.contains(told), "{words}");
        }
        for (fault, told) in [
            (postgres_fault(Some("28P01")), "refuses the login of the user \"ana\""),
            (postgres_fault(Some("3D000")), "has no database \"alerts\""),
            (mysql_fault(1045), "refuses the login"),
            (mysql_fault(1049), "has no database"),
            (mysql_fault(3159), "TLS alone"),
            (postgres_fault(None), "db.example.com:5432: no"),
        ] {
            let words = at.refusal(fault, "no");
            assert!(words.contains(told), "{words}");
        }
    }
}
