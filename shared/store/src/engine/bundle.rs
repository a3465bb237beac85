//! Statements of one transaction that need no answer from each other: PostgreSQL gets them as one, so that a batch
//! costs one round trip and one plan instead of one for each table. Elsewhere a statement costs next to nothing more
//! than its rows, and they go as they come.

use sqlx::error::BoxDynError;
use sqlx::postgres::PgArguments;
use sqlx::{Arguments as _, Encode, Postgres, Type};

use super::Conn;
use crate::engine::Tx;
use crate::{Result, StoreError};

/// What is gathered.
#[derive(Default)]
pub(crate) struct Bundle {
    /// What is found out first, if the parts depend on it.
    verdict: Option<String>,
    parts: Vec<String>,
    arguments: PgArguments,
    count: usize,
}

impl Bundle {
    /// A bundle of which nothing is done unless `verdict` finds that it may be: expressions for `WITH`, the last of which
    /// is named `verdict` and has one column `ok`.
    pub(crate) fn under(
        verdict: &str,
        bind: impl FnOnce(&mut PgArguments) -> std::result::Result<(), BoxDynError>,
    ) -> Result<Self> {
        let mut bundle = Self::default();
        bundle.push("", bind)?;
        bundle.parts.clear();
        bundle.verdict = Some(verdict.to_owned());
        Ok(bundle)
    }

    /// The end of a statement that has no condition of its own.
    pub(crate) fn tail(&self, tail: &str) -> String {
        let condition = if self.verdict.is_some() { "WHERE (SELECT ok FROM verdict) " } else { "" };
        format!("{condition}{tail}")
    }

    /// A statement that ends in a condition.
    pub(crate) fn and(&self, text: &str) -> String {
        let condition = if self.verdict.is_some() { " AND (SELECT ok FROM verdict)" } else { "" };
        format!("{text}{condition}")
    }

    /// Takes a statement whose placeholders are `$1`, `$2`, … and its arguments.
    pub(crate) fn push(
        &mut self,
        text: &str,
        bind: impl FnOnce(&mut PgArguments) -> std::result::Result<(), BoxDynError>,
    ) -> Result<()> {
        self.parts.push(renumbered(text, self.count));
        bind(&mut self.arguments)
            .map_err(|error| StoreError::Refused(sqlx::Error::Encode(error)))?;
        self.count = self.arguments.len();
        Ok(())
    }

    /// Runs what was gathered. Which tables a batch touches takes few forms, so that the statements stay prepared.
    pub(crate) async fn run(self, tx: &mut Tx) -> Result<()> {
        if let (Conn::Postgres(c), false) = (tx.conn(), self.parts.is_empty()) {
            let text = format!("WITH {} SELECT", self.named_parts().join(", "));
            sqlx::query_with(sqlx::AssertSqlSafe(text), self.arguments).execute(&mut *c).await?;
        }
        Ok(())
    }

    /// Runs what was gathered under a verdict, and answers it.
    pub(crate) async fn run_if(self, tx: &mut Tx) -> Result<bool> {
        let (Conn::Postgres(c), Some(verdict)) = (tx.conn(), &self.verdict) else {
            return Err(StoreError::Unavailable("only PostgreSQL decides at once".into()));
        };
        let mut all = vec![verdict.clone()];
        all.extend(self.named_parts());
        let text = format!("WITH {} SELECT ok FROM verdict", all.join(", "));
        let query = sqlx::query_as_with(sqlx::AssertSqlSafe(text), self.arguments);
        let (ok,): (Option<bool>,) = query.fetch_one(&mut *c).await?;
        Ok(ok.unwrap_or(false))
    }

    fn named_parts(&self) -> Vec<String> {
        let named = |(at, part)| format!("part_{at} AS ({part})");
        self.parts.iter().enumerate().map(named).collect()
    }
}

/// Adds a column of the rows that a statement takes: an array, or where the rows are one, which `rows_text` makes the
/// statement for, its value alone.
pub(crate) fn add_column<'q, T>(
    arguments: &mut PgArguments,
    one: bool,
    mut values: impl Iterator<Item = T>,
) -> std::result::Result<(), BoxDynError>
where
    T: Encode<'q, Postgres> + Type<Postgres> + 'q,
    Vec<T>: Encode<'q, Postgres> + Type<Postgres> + 'q,
{
    match (one, values.next()) {
        (true, Some(value)) => arguments.add(value),
        (_, first) => arguments.add(first.into_iter().chain(values).collect::<Vec<T>>()),
    }
}

/// The text with `by` added to the number of each placeholder.
fn renumbered(text: &str, by: usize) -> String {
    let mut pieces = text.split('$');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = piece.split_at(digits);
        match number.parse::<usize>() {
            Ok(number) => out.push_str(&format!("${}{rest}", number + by)),
            Err(_) => out.push_str(&format!("${piece}")),
        }
    }
    out
}

/// Inserts many rows, as `insert!` does, with the other statements of a bundle; on engines without bundles, at once.
macro_rules! gather {
    ($tx:expr, $bundle:expr, $head:literal, $rows:expr, $tail:literal, { $($t:ty = |$r:ident| $value:expr),+ $(,)? }) => {{
        let rows = &$rows[..];
        if !rows.is_empty() {
            if let $crate::engine::Conn::Postgres(_) = $tx.conn() {
                let arrays: &[&str] = &[$(<$t as $crate::types::Column>::ARRAY),+];
                let text = $crate::engine::texts::unnest_text($head, arrays, &$bundle.tail($tail));
                $crate::engine::gather!(@push $bundle, text, rows, { $($t = |$r| $value),+ });
            } else {
                $crate::engine::insert!($tx, $head, rows, $tail, { $($t = |$r| $value),+ });
            }
        }
    }};
    (@push $bundle:expr, $text:expr, $rows:expr, { $($t:ty = |$r:ident| $value:expr),+ }) => {
        let one = $rows.len() == 1;
        let text = $crate::engine::texts::rows_text($text, one);
        $bundle.push(&text, |arguments| {
            $( $crate::engine::add_column(arguments, one, $rows.iter().map(|$r| -> $t { $value }))?; )+
            Ok(())
        })?
    };
}
pub(crate) use gather;

#[cfg(test)]
mod tests {
    use super::renumbered;

    #[test]
    fn placeholders_move_on() {
        assert_eq!(renumbered("a = $1 AND b = $12::uuid[]", 3), "a = $4 AND b = $15::uuid[]");
        assert_eq!(renumbered("nothing", 3), "nothing");
    }
}
