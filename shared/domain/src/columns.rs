//! How ids and times stand in the columns of a store. Here and not in the store because a trait of another crate can
//! be implemented only beside its type.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::mysql::{MySqlTypeInfo, MySqlValueRef};
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef};
use sqlx::sqlite::{SqliteArgumentsBuffer, SqliteTypeInfo, SqliteValueRef};
use sqlx::{Decode, Encode, MySql, Postgres, Sqlite, Type};
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

ids!(
    ProjectId EventId RuleId UserId RoleId KeyId AlertId SilenceId NotificationId DeliveryId EndpointId MailId JobId ProcessId
    TickId RunId EventTypeId
);

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

/// The last microsecond that a datetime can be: the end of the year 9999.
const LAST_DATETIME: i64 = 253_402_300_799_999_999;

// A datetime, which has no zone and no end in 2038: what it holds is UTC. A bound that lies beyond its own end lies beyond
// every row as well.
impl Type<MySql> for Time {
    fn type_info() -> MySqlTypeInfo {
        <chrono::NaiveDateTime as Type<MySql>>::type_info()
    }
    fn compatible(info: &MySqlTypeInfo) -> bool {
        <chrono::NaiveDateTime as Type<MySql>>::compatible(info)
    }
}
impl Encode<'_, MySql> for Time {
    fn encode_by_ref(&self, buffer: &mut Vec<u8>) -> Result<IsNull, BoxDynError> {
        let time = Self::from_micros(self.micros().min(LAST_DATETIME));
        Encode::<MySql>::encode_by_ref(&time.utc().naive_utc(), buffer)
    }
}
impl<'r> Decode<'r, MySql> for Time {
    fn decode(value: MySqlValueRef<'r>) -> Result<Self, BoxDynError> {
        let time = <chrono::NaiveDateTime as Decode<'r, MySql>>::decode(value)?;
        Ok(Self::from(time.and_utc()))
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
