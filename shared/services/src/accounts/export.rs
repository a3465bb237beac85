//! Everything that is held on somebody, for them to have. What there is little of comes at once; what grows comes page by
//! page, so that an export needs as much memory as a page.

use uuid::Uuid;

use super::Accounts;
use crate::admin::AdminError;
use crate::audit::{AuditedAction, Initiator, Origin, Shown};
use domain::audit::AuditAction;
use domain::id::{NotificationId, ProjectId, UserId};
use domain::preferences::Preferences;
use domain::profile::Profile;
use domain::push::PushToken;
use domain::user::User;
use store::audit::AuditFilter;
use store::named::NamedIn;
use store::sessions::Session;

/// The rows of one page of the audit log.
const PAGE: i64 = 200;

/// What there is little of.
#[derive(Clone, Debug)]
pub struct Export {
    /// The account.
    pub user: User,
    /// What it tells of its holder.
    pub profile: Profile,
    /// The names of its roles.
    pub roles: Vec<String>,
    /// The sessions that hold, and where each was begun.
    pub sessions: Vec<(Session, Origin)>,
    /// The devices that get pushes.
    pub devices: Vec<PushToken>,
    /// How they want to be told.
    pub preferences: Preferences,
}

/// Some notifications that were for somebody, and where the next ones begin.
pub type Named = (Vec<NamedIn>, Option<NotificationId>);

impl Accounts {
    /// Begins an export and writes down who got it.
    ///
    /// # Errors
    /// When there is no such account.
    pub async fn export(
        &self,
        project: ProjectId,
        id: UserId,
        initiator: &Initiator,
    ) -> Result<Export, AdminError> {
        let Self { admin, .. } = self;
        let (user, roles) = admin.user(project, id).await?;
        let sessions = admin.sessions_of(project, id).await?;
        let export = Export {
            profile: self.profile(project, &user).await?,
            user,
            roles,
            sessions,
            devices: self.devices(project, id).await?,
            preferences: self.preferences(project, id).await?.0,
        };
        let audited = AuditedAction::new(AuditAction::UserExport, id.0);
        let entry = admin.audit.entry(project, initiator, audited).await?;
        admin.store.note_reading(project, id, &entry, admin.clock.now()).await?;
        Ok(export)
    }

    /// Some of the notifications that were for somebody, newest first, from before that one.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn named_in(
        &self,
        project: ProjectId,
        id: UserId,
        before: Option<NotificationId>,
    ) -> Result<Named, AdminError> {
        let before = before.unwrap_or(NotificationId(Uuid::max()));
        Ok(self.admin.store.named_in(project, id, before).await?)
    }

    /// Some rows of the audit log that are by or about somebody, newest first, and behind which the next ones begin. What
    /// is sealed for others stays so.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn audited(
        &self,
        project: ProjectId,
        id: UserId,
        before: Option<Uuid>,
    ) -> Result<(Vec<Shown>, Option<Uuid>), AdminError> {
        let filter = AuditFilter { about: Some(id.0), ..AuditFilter::default() };
        let mut rows = self.admin.audit.list(project, filter, before, PAGE).await?;
        let next =
            if (rows.len() as i64) < PAGE { None } else { rows.last().map(|one| one.row.id) };
        for one in &mut rows {
            if one.row.actor_id != id.0 {
                one.origin = None;
            }
            if one.row.subject != id.0 {
                one.personal = None;
            }
        }
        Ok((rows, next))
    }
}
