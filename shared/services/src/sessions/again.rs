//! Whether somebody is still logged in: asked when they come, and again while something that takes long is done for them.

use super::{BearerError, Known, Person, Sessions};
use crypto::tokens::Claims;
use domain::project::ProjectStatus;
use domain::time::Time;

impl Sessions {
    /// The same person as they stand now. The end of the access token with which they came is no matter here: what it
    /// was good for has begun.
    ///
    /// # Errors
    /// When they are not logged in any more, or their project is suspended.
    pub async fn again(&self, person: &Person) -> Result<Person, BearerError> {
        let Person { project, user, session, .. } = *person;
        let claims = Claims { user, project, session, issued_at: 0, expires_at: 0 };
        self.holder(&claims, self.clock.now()).await
    }

    /// Whoever these claims are about, as they stand now.
    pub(super) async fn holder(&self, claims: &Claims, now: Time) -> Result<Person, BearerError> {
        match self.epochs.status_of(claims.project) {
            Some(ProjectStatus::Active) => {}
            // One that is not known here was archived, or made within the last second.
            Some(_) => return Err(BearerError::Suspended),
            None => {}
        }
        let known = self.standing(claims).await?;
        if !known.holds {
            return Err(BearerError::Invalid);
        }
        let Claims { project, user, session, .. } = *claims;
        let Known { grants, facts, .. } = known;
        Ok(Person { project, user, session, grants, facts, seen_at: now })
    }
}
