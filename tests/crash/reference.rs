//! What should have come of it: one thread takes the events in their order, one by one, and decides.

use std::collections::{BTreeMap, BTreeSet};

use bellbuoy_harness::books::Match;
use domain::delivery::NewDelivery;
use domain::evaluation::{MatchOutcome, decide, look};
use domain::event::Event;
use domain::id::{EventId, NotificationId, ProjectId, RuleId};
use domain::ruleset::RuleSet;
use domain::time::Time;
use domain::webhook::{Endpoint, SigningSecret, message_id};
use store::rules::SealedEndpoint;
use store::{Store, StoreError};
use uuid::Uuid;

/// A rule and the key of a group of it.
pub type Group = (RuleId, String);

/// How often a group matched, and how often it rang.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Matches.
    pub matched: usize,
    /// Those of them that rang.
    pub rang: usize,
}

/// The reference's outcome.
#[derive(Debug, Default)]
pub struct Reference {
    /// What came of each group.
    pub groups: BTreeMap<Group, Counts>,
    /// Which group each match belongs to.
    pub members: BTreeMap<(Uuid, Uuid), Group>,
    /// The messages of rules without a window: exactly these.
    pub certain: BTreeSet<String>,
    /// The rules without a window.
    pub always: BTreeSet<Uuid>,
}

impl Reference {
    /// Decides on these events as if all came at `now`.
    pub async fn of(store: &Store, project: ProjectId, mut events: Vec<Event>, now: Time) -> Self {
        let set = rules(store, project).await;
        events.sort_by_key(|event| (event.received_at, event.id));
        let (mut states, mut outcome) = (BTreeMap::new(), Self::default());
        for event in &events {
            let looked = look(&set, event, now).expect("JSON");
            for found in &looked.matches {
                let rule = &set.rule(found.place).rule;
                let key = found.group.as_ref().map(|(_, key)| key.clone()).unwrap_or_default();
                outcome.members.insert((event.id.0, rule.id.0), (rule.id, key));
                if rule.body.suppression.is_none() {
                    outcome.always.insert(rule.id.0);
                }
            }
            let decision = decide(&set, &[&looked], &mut states, now);
            for one in &decision.matches {
                outcome.count(one.event, one.rule, one.outcome);
            }
            let rule_of = |id: NotificationId| {
                decision.notifications.iter().find(|one| one.id == id).map(|one| one.rule.0)
            };
            let certain = |one: &&NewDelivery| {
                rule_of(one.notification).is_some_and(|rule| outcome.always.contains(&rule))
            };
            outcome
                .certain
                .extend(decision.deliveries.iter().filter(certain).map(|one| message_id(one.id)));
        }
        outcome
    }

    fn count(&mut self, event: EventId, rule: RuleId, outcome: MatchOutcome) {
        let group = self.members[&(event.0, rule.0)].clone();
        let counts = self.groups.entry(group).or_default();
        counts.matched += 1;
        counts.rang += usize::from(outcome == MatchOutcome::Rang);
    }

    /// The same counts as the store has them.
    pub fn counted(&self, matches: &[Match]) -> Result<BTreeMap<Group, Counts>, String> {
        let mut groups: BTreeMap<Group, Counts> = BTreeMap::new();
        for one in matches {
            let group = self.members.get(&(one.event_id, one.rule_id));
            let group = group.ok_or_else(|| format!("{one:?} is none to the reference"))?;
            let counts = groups.entry(group.clone()).or_default();
            counts.matched += 1;
            counts.rang += usize::from(one.outcome == MatchOutcome::Rang.number());
        }
        Ok(groups)
    }
}

async fn rules(store: &Store, project: ProjectId) -> RuleSet {
    let source = store.rule_source(project).await.expect("rules");
    // Nothing is signed here, so any secret will do.
    let open = |one: SealedEndpoint| {
        Ok::<_, StoreError>(Endpoint::new(one.id, one.url, SigningSecret::fresh()))
    };
    let (set, broken) = source.compile(project, open).expect("endpoints open");
    assert!(broken.is_empty(), "{broken:?}");
    set
}
