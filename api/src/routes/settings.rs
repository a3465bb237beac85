//! A project's settings: read and set by its own admins.

mod wire;

use std::sync::Arc;

use domain::fault::FaultCode;
use poem_openapi::OpenApi;
use poem_openapi::param::{Header, Path};
use runtime::app::App;
use services::admin::ShownSettings;

use super::Tag;
use super::projects::ProjectName;
use crate::auth::{Caller, SettingsRead, SettingsUpdate};
use crate::body::Body;
use crate::etag::{Tagged, if_match};
use crate::problem::{Edits, Failure, Problem, Reads};
use wire::Settings;

/// The operations on settings.
pub struct Operations {
    app: Arc<App>,
}

impl Operations {
    /// Operations that work on `app`.
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[OpenApi(prefix_path = "/api/v1/projects", tag = "Tag::Projects")]
impl Operations {
    /// Get a project's settings
    ///
    /// Needs the permission `settings:read`, for any project on the platform, else for one's own. Of a secret it tells
    /// whether there is one, and its last four characters if it has twelve or more.
    #[oai(path = "/:project/settings", method = "get", operation_id = "get_settings")]
    async fn get(
        &self,
        caller: Caller<SettingsRead>,
        /// The project: its id, or its slug.
        project: Path<ProjectName>,
    ) -> Result<Tagged<Settings>, Failure<Reads>> {
        let id = project.0.within_reach(&self.app, &caller).await?;
        Ok(tagged(self.app.admin.settings(id).await?)?)
    }

    /// Set a project's settings
    ///
    /// Needs the permission `settings:update`, for any project on the platform, else for one's own. Sets all of them:
    /// a section that is left out is removed, with its secrets. Within a section that is there, a secret that is left
    /// out stays, and `null` removes it. They hold everywhere within two seconds.
    #[oai(path = "/:project/settings", method = "put", operation_id = "put_settings")]
    async fn put(
        &self,
        caller: Caller<SettingsUpdate>,
        /// The project: its id, or its slug.
        project: Path<ProjectName>,
        /// The ETag of the settings that this is a change of; 412 when they were changed since.
        #[oai(name = "If-Match", validator(max_length = 1000))]
        condition: Header<Option<String>>,
        body: Body<Settings>,
    ) -> Result<Tagged<Settings>, Failure<Edits>> {
        let id = project.0.within_reach(&self.app, &caller).await?;
        let condition = if_match(condition.0.as_deref())?;
        let wanted = body.value.wanted().map_err(|error| {
            let fault = domain::fault::Fault::new("", FaultCode::Invalid, error.to_string());
            Problem::invalid(vec![fault])
        })?;
        let admin = &self.app.admin;
        Ok(tagged(admin.put_settings(id, wanted, &condition, &caller.initiator).await?)?)
    }
}

fn tagged(shown: ShownSettings) -> Result<Tagged<Settings>, Problem> {
    let settings = Settings::shown(&shown.settings).ok_or_else(|| {
        tracing::error!("settings could not be shown");
        Problem::internal()
    })?;
    Ok(Tagged(settings, shown.tag()))
}
