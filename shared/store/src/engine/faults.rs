//! What an engine's error means for whoever called.

use sqlx::mysql::MySqlDatabaseError;

use crate::StoreError;

/// An error from before anything was sent: a dead connection that is found here is just another try.
pub(super) fn before_work(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Io(error) => StoreError::Again(error.to_string()),
        other => other.into(),
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match &error {
            E::Database(cause) => {
                let mysql = cause.try_downcast_ref::<MySqlDatabaseError>();
                let known = match mysql {
                    Some(mysql) => mysql_fault(mysql.number(), mysql.message()),
                    None => fault(cause.code().as_deref(), cause.message()),
                };
                match known {
                    Some(known) => known,
                    None if cause.is_unique_violation() => Self::Conflict("already there"),
                    None if cause.is_foreign_key_violation() => {
                        Self::Conflict("in use, or names what is not there")
                    }
                    None => Self::Refused(error),
                }
            }
            E::Io(_)
            | E::PoolTimedOut
            | E::PoolClosed
            | E::WorkerCrashed
            | E::Tls(_)
            | E::Protocol(_) => Self::Unavailable(error.to_string()),
            E::RowNotFound => Self::NotFound("row"),
            E::ColumnDecode { .. } | E::Decode(_) | E::ColumnNotFound(_) => {
                Self::Corrupt(error.to_string())
            }
            _ => Self::Refused(error),
        }
    }
}

/// PostgreSQL and SQLite.
fn fault(code: Option<&str>, message: &str) -> Option<StoreError> {
    match code? {
        // Serialization failure, deadlock, lock timeout; SQLite: busy and locked, also in their long forms.
        "40001" | "40P01" | "55P03" | "5" | "6" | "261" | "517" | "262" => {
            Some(StoreError::Again(message.to_owned()))
        }
        // Cancelled by a timeout, shutting down, starting up, too many connections, disk full.
        "57014" | "57P01" | "57P02" | "57P03" | "53300" | "53100" | "53200" | "13" => {
            Some(StoreError::Unavailable(message.to_owned()))
        }
        _ => None,
    }
}

/// MySQL and MariaDB: by their numbers, for the SQLSTATE of most is the same.
fn mysql_fault(number: u16, message: &str) -> Option<StoreError> {
    match number {
        // Deadlock, lock wait timeout, MariaDB: the row has changed since it was read, the table or the statement must
        // be prepared anew.
        1213 | 1205 | 1020 | 1412 | 1615 => Some(StoreError::Again(message.to_owned())),
        // Cancelled (by somebody, by a timeout of MariaDB or of MySQL).
        1317 | 1969 | 3024
        // Too many connections, of all or of this user.
        | 1040 | 1203 | 1226
        // Shutting down, killed, idle for too long, the network.
        | 1053 | 1927 | 4031 | 1158..=1161
        // A node that has not joined its cluster, one that only reads after a failover.
        | 1047 | 1290 | 1836
        // Out of memory, disk or table full.
        | 1021 | 1037 | 1041 | 1114 => Some(StoreError::Unavailable(message.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_helps_is_told() {
        let again = |fault| matches!(fault, Some(StoreError::Again(_)));
        let away = |fault| matches!(fault, Some(StoreError::Unavailable(_)));
        assert!([1213, 1205, 1020].into_iter().all(|number| again(mysql_fault(number, ""))));
        assert!([1040, 1053, 1160, 3024].into_iter().all(|number| away(mysql_fault(number, ""))));
        assert!(mysql_fault(1062, "").is_none() && fault(Some("23505"), "").is_none());
        assert!(again(fault(Some("40P01"), "")) && away(fault(Some("57P01"), "")));
        assert!(fault(None, "").is_none());
    }
}
