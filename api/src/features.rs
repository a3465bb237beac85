//! What a project must have before some operations are there for it.

use domain::feature::Feature;
use domain::id::ProjectId;
use runtime::app::App;

use crate::problem::{Code, Problem};

/// Refuses what a project does not have.
///
/// # Errors
/// When it does not have the feature.
pub fn demand(app: &App, project: ProjectId, feature: Feature) -> Result<(), Problem> {
    if app.admin.feature(project, feature) {
        return Ok(());
    }
    let detail = format!("The project does not have the feature {feature}; ask the operator.");
    Err(Problem::new(Code::FeatureDisabled, detail))
}
