//! What the measured project has: ten rules of which one rings, one person to tell, and one endpoint.

use crypto::seal::Sealer;
use domain::rule::{Priority, RuleBody};
use services::onboarding;
use store::{Step, Store};

use crate::event::KIND;
use crate::product::{SEAL_KEY, now};

/// The conditions of the ten rules. The index by type spares an event the five that ask for other types; of the five
/// that are looked at, four ask for what the events do not have.
fn conditions() -> Vec<String> {
    let payload = [
        "event.payload.total > 1000",
        "event.payload.total > 1000000",
        "event.payload.currency == \"JPY\" && event.payload.total > 100",
        "event.payload.customer.country == \"US\" && starts_with(event.payload.customer.id, \"c-\")",
        "len(event.payload.items) > 10",
    ];
    let ours = payload.iter().map(|condition| format!("event.type == \"{KIND}\" && {condition}"));
    let kinds = ["order.refunded", "order.cancelled", "host.down", "disk.full", "user.locked"];
    let others =
        kinds.iter().map(|kind| format!("event.type == \"{kind}\" && event.payload.total > 0"));
    ours.chain(others).collect()
}

/// Fills an empty store; answers the API key.
///
/// # Errors
/// When the store does not take it.
pub async fn seed(store: &Store, sink: &str) -> anyhow::Result<String> {
    store.migrate(Step::Up).await?;
    store.make_partitions(now()).await?;
    let (project, key) = onboarding::project(store, "bench", "Benchmark", now()).await?;
    onboarding::responder(store, project, "on-call", "on-call@example.org", "On Call", now())
        .await?;
    let sealer = Sealer::with_key(SEAL_KEY)?;
    onboarding::endpoint(store, &sealer, project, "sink", sink, now()).await?;
    for (at, condition) in conditions().into_iter().enumerate() {
        let body = RuleBody {
            description: "An order that somebody should look at.".to_owned(),
            priority: Priority::High,
            target_roles: vec!["on-call".to_owned()],
            ..RuleBody::new(format!("Rule {at}"), condition)
        };
        onboarding::rule(store, project, body, now()).await?;
    }
    Ok(key.text())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event;
    use domain::condition::{Condition, Subject};

    #[test]
    fn one_of_ten_rules_matches() {
        let payload = serde_json::from_str(&event::payload(1)).expect("JSON");
        let subject = Subject {
            id: "00000000-0000-0000-0000-000000000000",
            kind: KIND,
            source: "shop",
            subject: None,
            received_at: now(),
            payload: &payload,
        };
        let holds = |text: String| Condition::parse(&text).expect("parses").holds(&subject, now());
        let found: Vec<bool> =
            conditions().into_iter().map(|text| holds(text).expect("can be told")).collect();
        assert_eq!(found.len(), 10);
        assert_eq!(found.iter().filter(|holds| **holds).count(), 1);
    }
}
