//! Compiled rule sets, one per project, kept as long as its epoch stands.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use crate::endpoints::opened;
use crate::epochs::Epochs;
use crypto::seal::Sealer;
use domain::id::ProjectId;
use domain::ruleset::RuleSet;
use store::{Store, StoreError};

/// The rule sets of all projects.
pub struct RuleSets {
    store: Store,
    sealer: Sealer,
    epochs: Arc<Epochs>,
    sets: Cache<ProjectId, Arc<RuleSet>>,
}

impl RuleSets {
    /// None yet.
    pub fn new(store: Store, sealer: Sealer, epochs: Arc<Epochs>, max: u64) -> Self {
        let sets =
            Cache::builder().max_capacity(max).time_to_idle(Duration::from_secs(3600)).build();
        Self { store, sealer, epochs, sets }
    }

    /// The rule set of a project, not older than what is known of its epoch.
    ///
    /// # Errors
    /// When it must be read and can't be.
    pub async fn get(&self, project: ProjectId) -> Result<Arc<RuleSet>, Arc<StoreError>> {
        let known = self.epochs.of(project).unwrap_or(0);
        if let Some(set) = self.sets.get(&project).await
            && set.epoch >= known
        {
            metrics::counter!("bellbuoy_cache_hits_total", "cache" => "rulesets").increment(1);
            return Ok(set);
        }
        // On the heap, for what is rare must not make every delivery carry (and copy) its kilobytes.
        Box::pin(self.read_again(project)).await
    }

    async fn read_again(&self, project: ProjectId) -> Result<Arc<RuleSet>, Arc<StoreError>> {
        self.sets.invalidate(&project).await;
        metrics::counter!("bellbuoy_cache_misses_total", "cache" => "rulesets").increment(1);
        // Whoever asks meanwhile waits for this one reading.
        self.sets.try_get_with(project, self.read(project)).await
    }

    /// Forgets a set that turned out to be too old.
    pub async fn forget(&self, project: ProjectId) {
        self.sets.invalidate(&project).await;
    }

    async fn read(&self, project: ProjectId) -> Result<Arc<RuleSet>, StoreError> {
        let source = self.store.rule_source(project).await?;
        let open = |sealed| opened(&self.sealer, project, sealed);
        let (set, broken) = source.compile(project, open)?;
        for rule in broken {
            tracing::error!(%project, %rule, "a stored rule does not compile and is left out");
            metrics::counter!("bellbuoy_rules_broken_total").increment(1);
        }
        Ok(Arc::new(set))
    }
}
