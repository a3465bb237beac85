//! How the domain's types stand in columns.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef};
use sqlx::sqlite::{SqliteArgumentsBuffer, SqliteTypeInfo, SqliteValueRef};
use sqlx::{Decode, Encode, Postgres, Sqlite, Type};
use uuid::Uuid;

use crate::id::*;
use crate::time::Time;

macro_rules! ids {
    ($($name:ident)*) => { $(
        impl<D: sqlx::Database> Type<D> for $name where Uuid: Type<D> {
            fn type_info() -> D::TypeInfo {
                <Uuid as Type<D>>::type_info()
            }
            fn compatible(info: &D::TypeInfo) -> bool {
                <Uuid as Type<D>>::compatible(info)
            }
        }
        impl<'q, D: sqlx::Database> Encode<'q, D> for $name where Uuid: Encode<'q, D> {
            fn encode_by_ref(&self, buffer: &mut D::ArgumentBuffer) -> Result<IsNull, BoxDynError> {
                self.0.encode_by_ref(buffer)
            }
        }
        impl<'r, D: sqlx::Database> Decode<'r, D> for $name where Uuid: Decode<'r, D> {
            fn decode(value: D::ValueRef<'r>) -> Result<Self, BoxDynError> {
                Uuid::decode(value).map($name)
            }
        }
        impl PgHasArrayType for $name {
            fn array_type_info() -> PgTypeInfo {
                Uuid::array_type_info()
            }
        }
    )* };
}

ids!(ProjectId EventId RuleId UserId RoleId KeyId AlertId NotificationId DeliveryId EndpointId JobId ProcessId TickId);

impl Type<Postgres> for Time {
    fn type_info() -> PgTypeInfo {
        <chrono::DateTime<chrono::Utc> as Type<Postgres>>::type_info()
    }
}
impl PgHasArrayType for Time {
    fn array_type_info() -> PgTypeInfo {
        <chrono::DateTime<chrono::Utc> as PgHasArrayType>::array_type_info()
    }
}
impl Encode<'_, Postgres> for Time {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Postgres>::encode_by_ref(&self.utc(), buffer)
    }
}
impl<'r> Decode<'r, Postgres> for Time {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        <chrono::DateTime<chrono::Utc> as Decode<'r, Postgres>>::decode(value).map(Self::from)
    }
}

// SQLite has no time of its own: the microseconds as they are.
impl Type<Sqlite> for Time {
    fn type_info() -> SqliteTypeInfo {
        <i64 as Type<Sqlite>>::type_info()
    }
}
impl Encode<'_, Sqlite> for Time {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Sqlite>::encode_by_ref(&self.micros(), buffer)
    }
}
impl<'r> Decode<'r, Sqlite> for Time {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        <i64 as Decode<'r, Sqlite>>::decode(value).map(Self::from_micros)
    }
}

/// A type that can stand in a column of a multi-row statement.
pub trait Column {
    /// PostgreSQL's name of an array of it.
    const ARRAY: &'static str;
}

macro_rules! columns {
    ($($array:literal: $($name:ty),*;)*) => { $($(
        impl Column for $name { const ARRAY: &'static str = $array; }
        impl Column for Option<$name> { const ARRAY: &'static str = $array; }
    )*)* };
}

columns! {
    "uuid[]": Uuid, ProjectId, EventId, RuleId, UserId, RoleId, KeyId, AlertId, NotificationId, DeliveryId, EndpointId, JobId, TickId;
    "text[]": String;
    "bytea[]": Vec<u8>;
    "bigint[]": i64;
    "smallint[]": i16;
    "timestamptz[]": Time;
    "jsonb[]": sqlx::types::Json<serde_json::Value>, sqlx::types::Json<crate::domain::group::GroupState>;
}
