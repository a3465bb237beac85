//! What a rule is tried among, before it is switched on.

use super::engine::verb;
use super::rule_source::{default_suppression, people};
use super::rules::references::reference_faults;
use super::{Result, Store};
use domain::fault::Fault;
use domain::id::{ProjectId, RuleId};
use domain::rule::RuleBody;
use domain::trial::TrialSource;

impl Store {
    /// What a rule is tried among, and what is wrong with the names in it.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn trial_source(
        &self,
        project: ProjectId,
        id: RuleId,
        body: &RuleBody,
    ) -> Result<(TrialSource, Vec<Fault>)> {
        let body = body.clone();
        self.read(
            "trial_source",
            verb!(|tx, body| {
                let faults = reference_faults(tx, project, id, &body).await?;
                let people = people(tx, project, body.target_path.is_some()).await?;
                let suppression = default_suppression(tx, project).await?;
                Ok((TrialSource { people, suppression }, faults))
            }),
        )
        .await
    }
}
