//! Values that the two drivers write differently.

use rust_decimal::Decimal;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::{Database, Decode, Encode, Postgres, Sqlite, Type};
use uuid::Uuid;

type SqliteBuffer = <Sqlite as Database>::ArgumentBuffer;
type PostgresBuffer = <Postgres as Database>::ArgumentBuffer;

/// A decimal: text without trailing zeros in SQLite, `numeric` in PostgreSQL. SQL never sums or compares them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dec(pub Decimal);

impl From<Dec> for Decimal {
    fn from(value: Dec) -> Self {
        value.0
    }
}

impl Type<Sqlite> for Dec {
    fn type_info() -> <Sqlite as Database>::TypeInfo {
        <str as Type<Sqlite>>::type_info()
    }
    fn compatible(ty: &<Sqlite as Database>::TypeInfo) -> bool {
        <str as Type<Sqlite>>::compatible(ty)
    }
}
impl<'q> Encode<'q, Sqlite> for Dec {
    fn encode_by_ref(&self, buf: &mut SqliteBuffer) -> Result<IsNull, BoxDynError> {
        <String as Encode<'q, Sqlite>>::encode(self.0.normalize().to_string(), buf)
    }
}
impl<'r> Decode<'r, Sqlite> for Dec {
    fn decode(value: <Sqlite as Database>::ValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Dec(Decimal::from_str_exact(<&str as Decode<Sqlite>>::decode(value)?)?.normalize()))
    }
}
impl Type<Postgres> for Dec {
    fn type_info() -> <Postgres as Database>::TypeInfo {
        <Decimal as Type<Postgres>>::type_info()
    }
}
impl Encode<'_, Postgres> for Dec {
    fn encode_by_ref(&self, buf: &mut PostgresBuffer) -> Result<IsNull, BoxDynError> {
        <Decimal as Encode<Postgres>>::encode_by_ref(&self.0, buf)
    }
}
impl<'r> Decode<'r, Postgres> for Dec {
    fn decode(value: <Postgres as Database>::ValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Dec(<Decimal as Decode<Postgres>>::decode(value)?.normalize()))
    }
}

/// A list of keys bound as one parameter: a JSON array in SQLite (ids as hex), an array in PostgreSQL.
macro_rules! key_list {
    ($(#[$doc:meta])* $name:ident($item:ty), $key:ident => $json:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub(crate) struct $name(pub Vec<$item>);

        impl Type<Sqlite> for $name {
            fn type_info() -> <Sqlite as Database>::TypeInfo {
                <str as Type<Sqlite>>::type_info()
            }
        }
        impl<'q> Encode<'q, Sqlite> for $name {
            fn encode_by_ref(&self, buf: &mut SqliteBuffer) -> Result<IsNull, BoxDynError> {
                let items: Vec<_> = self.0.iter().map(|$key| $json).collect();
                <String as Encode<'q, Sqlite>>::encode(serde_json::to_string(&items)?, buf)
            }
        }
        impl Type<Postgres> for $name {
            fn type_info() -> <Postgres as Database>::TypeInfo {
                <Vec<$item> as Type<Postgres>>::type_info()
            }
        }
        impl Encode<'_, Postgres> for $name {
            fn encode_by_ref(&self, buf: &mut PostgresBuffer) -> Result<IsNull, BoxDynError> {
                <Vec<$item> as Encode<Postgres>>::encode_by_ref(&self.0, buf)
            }
        }
    };
}

key_list! {
    /// Ids; the SQLite text reads them with `unhex(value)`.
    Ids(Uuid), id => id.simple().to_string()
}
key_list! {
    /// Texts.
    Texts(String), text => text
}

/// A typed id.
pub(crate) trait TypedId: Copy {
    /// What is stored.
    fn uuid(self) -> Uuid;
}

macro_rules! typed_ids {
    ($($name:ident),*) => {$(
        impl TypedId for domain::ids::$name {
            fn uuid(self) -> Uuid {
                self.0
            }
        }
    )*};
}
typed_ids!(CustomerId, SubscriptionId, ChargeReference, InvoiceId, LineId, EntryId, AttemptId, RunId);

impl Ids {
    /// The uuids of typed ids.
    pub fn of<T: TypedId>(ids: &[T]) -> Self {
        Self(ids.iter().map(|id| id.uuid()).collect())
    }
}
