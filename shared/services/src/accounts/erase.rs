//! Erasing people. The account is marked and emptied in one transaction; what lies elsewhere goes in steps that may be
//! interrupted at any point and are done again by the task that looks after erasures.

use super::records::avatar_folder;
use super::{Accounts, SETTLE, file_error};
use crate::admin::{AdminError, wrong_password};
use crate::audit::{AuditedAction, Initiator};
use crate::sessions::Person;
use domain::audit::AuditAction;
use domain::id::{ProjectId, UserId};
use files::key::FilePrefix;
use store::erasures::Erasure;

/// How many erasures one run of the task goes on with.
const AT_ONCE: i64 = 100;

impl Accounts {
    /// Erases whoever asks for it and knows their password; failures count as those of logins do.
    ///
    /// # Errors
    /// When the password is wrong, or nobody would be left to administer the project.
    pub async fn erase_me(
        &self,
        person: &Person,
        password: &str,
        initiator: &Initiator,
    ) -> Result<(), AdminError> {
        let (project, id) = (person.project, person.user);
        let user = self.admin.store.user(project, id).await?;
        if self.admin.sessions.proves(project, &user.email, password).await?.is_none() {
            return Err(wrong_password("password"));
        }
        self.erase(project, id, initiator).await
    }

    /// Erases somebody, deleted or not: their account is emptied, what is personal is gone, their history stays.
    ///
    /// # Errors
    /// When they are not there or erased already, or nobody would be left to administer the project.
    pub async fn erase(
        &self,
        project: ProjectId,
        id: UserId,
        initiator: &Initiator,
    ) -> Result<(), AdminError> {
        let Self { admin, .. } = self;
        let audited = AuditedAction::new(AuditAction::UserErase, id.0);
        let entry = admin.audit.entry(project, initiator, audited).await?;
        admin.store.begin_erasure(project, id, &entry, admin.clock.now()).await?;
        metrics::counter!("bellbuoy_erasures_total").increment(1);
        admin.announce(project).await;
        // The account is gone, whatever happens to the rest now: the task does it again.
        if let Err(error) = self.clear(project, id).await {
            tracing::warn!(%project, user = %id, %error, "erasing somebody was interrupted; it goes on in a minute");
        }
        Ok(())
    }

    /// Goes on with every erasure that was begun, and ends those that have settled. Answers how many it ended.
    ///
    /// # Errors
    /// When the store is away; an erasure that fails does not keep others from going on.
    pub async fn finish_erasures(&self) -> Result<u64, AdminError> {
        let now = self.admin.clock.now();
        let mut ended = 0;
        for Erasure { project, user, started_at } in self.admin.store.erasures(AT_ONCE).await? {
            if let Err(error) = self.clear(project, user).await {
                tracing::warn!(%project, %user, %error, "erasing somebody was interrupted; it goes on in a minute");
                continue;
            }
            if now.since(started_at) >= SETTLE {
                self.admin.store.end_erasure(project, user).await?;
                ended += 1;
            }
        }
        Ok(ended)
    }

    /// Takes away what lies elsewhere than in the account. It may be done any number of times.
    async fn clear(&self, project: ProjectId, id: UserId) -> Result<(), AdminError> {
        self.admin.store.wipe_again(project, id).await?;
        self.clear_files(project, id).await?;
        // The key is last: until it is gone, what is left can still be found with it.
        if project == ProjectId::PLATFORM {
            // Platform people leave traces in the logs of other projects.
            self.admin.audit.forget_subject(id).await?;
        } else {
            self.admin.audit.forget_subject_in(project, id).await?;
        }
        Ok(())
    }

    async fn clear_files(&self, project: ProjectId, id: UserId) -> Result<(), AdminError> {
        let prefix = FilePrefix::new(project, &avatar_folder(id));
        let prefix = prefix.map_err(|error| file_error(error.into()))?;
        let mut after = None;
        loop {
            let page = self.files.list(&prefix, after.as_ref(), files::PAGE).await;
            let page = page.map_err(file_error)?;
            for file in &page.files {
                self.files.delete(&file.key).await.map_err(file_error)?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}
