//! What the domain's types are in statements of many rows.

use uuid::Uuid;

use domain::id::*;
use domain::time::Time;

/// A type that can stand in a column of a multi-row statement.
pub trait Column {
    /// PostgreSQL's name of an array of it.
    const ARRAY: &'static str;
    /// What MySQL and MariaDB cast a placeholder to.
    const MYSQL: &'static str;
    /// How many bytes it takes in a statement, for what may have many.
    fn weight(&self) -> usize {
        0
    }
}

impl<T: Column> Column for Option<T> {
    const ARRAY: &'static str = T::ARRAY;
    const MYSQL: &'static str = T::MYSQL;
    fn weight(&self) -> usize {
        self.as_ref().map_or(0, T::weight)
    }
}

impl Column for String {
    const ARRAY: &'static str = "text[]";
    const MYSQL: &'static str = "CHAR";
    fn weight(&self) -> usize {
        self.len()
    }
}

impl Column for Vec<u8> {
    const ARRAY: &'static str = "bytea[]";
    const MYSQL: &'static str = "BINARY";
    fn weight(&self) -> usize {
        self.len()
    }
}

macro_rules! columns {
    ($($array:literal $mysql:literal: $($name:ty),*;)*) => { $($(
        impl Column for $name {
            const ARRAY: &'static str = $array;
            const MYSQL: &'static str = $mysql;
        }
    )*)* };
}

columns! {
    "uuid[]" "BINARY(16)": Uuid, ProjectId, EventId, RuleId, UserId, RoleId, KeyId, AlertId, NotificationId, DeliveryId, EndpointId, MailId, JobId, TickId;
    "bigint[]" "SIGNED": i64;
    "smallint[]" "SIGNED": i16;
    "timestamptz[]" "DATETIME(6)": Time;
    "jsonb[]" "CHAR": sqlx::types::Json<serde_json::Value>, sqlx::types::Json<domain::group::GroupState>;
}
