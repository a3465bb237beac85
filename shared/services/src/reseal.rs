//! Rotating the sealing key: everything that older keys sealed is sealed anew, a bounded step at a time, beside processes
//! that serve.

use uuid::Uuid;

use crypto::seal::{SealError, SealId, Sealer, key_of};
use domain::id::{ProjectId, UserId};
use store::sealed::{Column, Place, Sealed};
use store::{Store, StoreError};

/// How many rows one step reads and one transaction changes: a few milliseconds' worth.
const STEP: usize = 200;

/// What signing keys are sealed for.
pub const SIGNING_KEY: &[u8] = b"signing key";
/// What the signature of an audit checkpoint is for.
pub const CHECKPOINT: &str = "audit checkpoint";

/// What the probe of the sealing key is sealed for.
pub const PROBE: &[u8] = b"seal probe";

/// What a secret in a project's settings is sealed for.
pub fn setting_row(field: &str) -> Vec<u8> {
    [b"settings:", field.as_bytes()].concat()
}

/// What the secret of somebody's second factor is sealed for.
pub fn factor_row(user: UserId) -> Vec<u8> {
    [b"second factor".as_slice(), user.bytes()].concat()
}

/// What a mail's content is sealed for.
pub fn mail_row(id: Uuid) -> Vec<u8> {
    [b"mail".as_slice(), id.as_bytes()].concat()
}

/// What the answer under an idempotency key is sealed for, by the name that it has in the store.
pub fn answer_row(name: &str) -> Vec<u8> {
    [b"answer:", name.as_bytes()].concat()
}

/// What was found in a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which column.
    pub column: Column,
    /// How many values were looked at.
    pub looked: u64,
    /// How many of them the newest key had sealed already.
    pub newest: u64,
    /// How many were sealed anew, or would be.
    pub older: u64,
    /// How many no known key opens.
    pub broken: u64,
}

impl Found {
    const fn nothing(column: Column) -> Self {
        Self { column, looked: 0, newest: 0, older: 0, broken: 0 }
    }
}

/// Whether to change anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Seal anew what older keys sealed.
    Reseal,
    /// Only look.
    Check,
}

/// How one value stands.
enum State {
    Newest,
    Older(Vec<u8>),
    Broken(Option<SealId>),
}

/// Walks every column. `tell` hears of each step: what was found in the column so far.
///
/// It may be broken off at any moment and begun again, and it may run twice: what is sealed anew is never touched again,
/// and a value that somebody changes meanwhile stays as they leave it.
///
/// # Errors
/// When the store is away; what was done until then is done.
pub async fn walk(
    store: &Store,
    sealer: &Sealer,
    mode: Mode,
    mut tell: impl FnMut(&Found),
) -> Result<Vec<Found>, StoreError> {
    let mut all = Vec::with_capacity(Column::ALL.len());
    for column in Column::ALL {
        let mut found = Found::nothing(column);
        let mut after: Option<Place> = None;
        loop {
            let rows = store.sealed(column, after.clone(), STEP as i64).await?;
            let last = rows.len() < STEP;
            after = rows.last().map(|row| row.place.clone());
            let older = judge(sealer, rows, &mut found)?;
            if mode == Mode::Reseal && !older.is_empty() {
                store.replace_sealed(column, older).await?;
            }
            tell(&found);
            if last {
                break;
            }
        }
        all.push(found);
    }
    Ok(all)
}

/// Which of these rows are to be replaced, and by what.
fn judge(
    sealer: &Sealer,
    rows: Vec<Sealed>,
    found: &mut Found,
) -> Result<Vec<(Sealed, Vec<u8>)>, StoreError> {
    let mut older = Vec::new();
    for row in rows {
        found.looked += 1;
        let state = state(sealer, found.column, &row);
        match state.map_err(StoreError::from)? {
            State::Newest => found.newest += 1,
            State::Older(new) => {
                found.older += 1;
                older.push((row, new));
            }
            State::Broken(key) => {
                found.broken += 1;
                let key = key.map_or_else(|| "none".to_owned(), |key| key.to_string());
                let (column, project) = (found.column.as_str(), row.place.project);
                tracing::warn!(column, %project, id = %row.place.id, key, "no known key opens a sealed value");
            }
        }
    }
    Ok(older)
}

/// Opens a value where it stands; of a signature nothing is known by that.
///
/// # Errors
/// When no known key opens it.
pub(crate) fn try_open(sealer: &Sealer, column: Column, row: &Sealed) -> Result<(), SealError> {
    let (project, bound_to) = bound_to(column, &row.place);
    sealer.open_sealed(project, &bound_to, &row.bytes).map(|_| ())
}

fn state(sealer: &Sealer, column: Column, row: &Sealed) -> Result<State, SealError> {
    if let Some(signed) = &row.signed {
        return Ok(if sealer.is_newly_signed(CHECKPOINT, signed, &row.bytes) {
            State::Newest
        } else if sealer.is_signed(CHECKPOINT, signed, &row.bytes) {
            State::Older(sealer.sign(CHECKPOINT, signed)?)
        } else {
            // Whoever forged it does not get our signature.
            State::Broken(None)
        });
    }
    if sealer.is_newest(&row.bytes) {
        return Ok(State::Newest);
    }
    let (project, bound_to) = bound_to(column, &row.place);
    match sealer.reseal(project, &bound_to, &row.bytes) {
        Ok(new) => Ok(State::Older(new)),
        Err(_) => Ok(State::Broken(key_of(&row.bytes))),
    }
}

/// What a value is sealed for: its project, and the rest.
fn bound_to(column: Column, place: &Place) -> (ProjectId, Vec<u8>) {
    let rest = match column {
        Column::EndpointSecrets | Column::FormerSecrets | Column::SubjectKeys => {
            place.id.as_bytes().to_vec()
        }
        Column::SigningKeys => SIGNING_KEY.to_vec(),
        Column::ProjectSecrets => setting_row(&place.name),
        Column::SecondFactors => factor_row(UserId(place.id)),
        Column::Mails => mail_row(place.id),
        Column::AuditCheckpoints => Vec::new(),
        Column::OnceAnswers => answer_row(&place.name),
        Column::Probe => PROBE.to_vec(),
    };
    (place.project, rest)
}
