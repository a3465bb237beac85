//! What Alertmanager and those who speak as it does have in common: a group of alerts, each with its labels, its status
//! and a fingerprint that is the same for as long as its labels are.
//!
//! A group is sent whenever something of it has changed, with all that is in it, and again after `repeat_interval` if
//! nothing has; and whoever got no answer sends it again. Nothing in the body tells these apart, so that the key of an
//! alert says it: while it fires, one event in each repeat interval since it began, and one for its end. What comes again
//! within an interval is the same event. A repeat is another one, so that rules can ring again, and notice when a
//! heartbeat stays away.

use super::{Adapted, Parts, Surroundings, cut, required};
use crate::fault::{Fault, FaultCode};
use crate::intake::{MAX_SOURCE, MAX_SUBJECT, RawEvent, derived_key};
use crate::members::{Members, raw};
use crate::time::Time;
use serde_json::value::RawValue;

/// One sender's kind of webhook.
pub(super) struct Shape {
    /// Its word in keys.
    pub way: &'static str,
    /// The type of its events.
    pub kind: &'static str,
    /// The version of its webhooks.
    pub version: &'static str,
    /// What of a group is put beside what an alert has itself.
    pub of_group: &'static [&'static str],
}

/// Makes events of a webhook.
pub(super) fn events(body: &Members, shape: &Shape, surroundings: Surroundings) -> Parts {
    if body.text("version").is_some_and(|version| version != shape.version) {
        let message = format!(
            "it must be {}; 4 is that of Alertmanager, and 1 is that of Grafana, which have a path each",
            shape.version
        );
        return Err(vec![Fault::new("version", FaultCode::Invalid, message)]);
    }
    let alerts = body.get("alerts").ok_or_else(|| vec![required("alerts".to_owned())])?;
    let alerts: Vec<Box<RawValue>> = serde_json::from_str(alerts.get()).map_err(|_| {
        vec![Fault::new("alerts", FaultCode::WrongType, "it must be a list of alerts")]
    })?;
    let group = Group { body, shape, surroundings };
    let each = alerts.iter().enumerate();
    Ok(each.map(|(at, alert)| group.event(alert, format!("alerts[{at}]"))).collect())
}

struct Group<'a> {
    body: &'a Members,
    shape: &'a Shape,
    surroundings: Surroundings,
}

impl Group<'_> {
    fn event(&self, alert: &RawValue, place: String) -> Result<Adapted, Vec<Fault>> {
        let Ok(mut members) = serde_json::from_str::<Members>(alert.get()) else {
            let message = "it must be an object";
            return Err(vec![Fault::new(place, FaultCode::WrongType, message)]);
        };
        let told = self.told(&members, &place)?;
        for name in self.shape.of_group {
            if let Some(value) = self.body.get(name) {
                members.add(name, value.to_owned());
            }
        }
        if let Some(repeat) = told.repeat {
            members.add("repeat", raw(repeat.to_string()));
        }
        let labels = members.object("labels").unwrap_or_default();
        let source = self.body.text("externalURL").filter(|url| !url.is_empty());
        let source = source.or_else(|| self.body.text("receiver")).unwrap_or_default();
        let subject = labels.text("alertname").map(|name| cut(&name, MAX_SUBJECT));
        let event = RawEvent {
            kind: self.shape.kind.to_owned(),
            payload: members.object_text(),
            source: Some(cut(&source, MAX_SOURCE)),
            subject,
            occurred_at: Time::parse(&told.occurred_at).is_some().then_some(told.occurred_at),
            idempotency_key: None,
            correlation_id: None,
        };
        Ok(Adapted { event, key: told.key, place })
    }

    fn told(&self, alert: &Members, place: &str) -> Result<Told, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut text = |name: &str| {
            let found = alert.text(name).filter(|text| !text.is_empty());
            if found.is_none() {
                faults.push(required(format!("{place}.{name}")));
            }
            found.unwrap_or_default()
        };
        let (fingerprint, status, starts) = (text("fingerprint"), text("status"), text("startsAt"));
        let is_firing = status == "firing";
        let ends = if status == "resolved" { text("endsAt") } else { String::new() };
        if !status.is_empty() && !is_firing && status != "resolved" {
            let message = "it must be firing or resolved";
            faults.push(Fault::new(format!("{place}.status"), FaultCode::Invalid, message));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let repeat = is_firing.then(|| self.repeat(&starts));
        let which = repeat.map_or_else(|| ends.clone(), |repeat| repeat.to_string());
        // Two receivers of one sender are two notifications, though of one alert.
        let receiver = self.body.text("receiver").unwrap_or_default();
        let parts = [receiver.as_str(), &fingerprint, &status, &starts, &which];
        let key = derived_key(self.shape.way, &parts);
        Ok(Told { key, repeat, occurred_at: if is_firing { starts } else { ends } })
    }

    /// How many whole repeat intervals an alert has been firing.
    fn repeat(&self, starts: &str) -> u64 {
        let Some(starts) = Time::parse(starts) else { return 0 };
        let firing = self.surroundings.now.since(starts).as_secs();
        firing / self.surroundings.repeat_interval.as_secs().max(1)
    }
}

/// What an alert says of itself.
struct Told {
    key: [u8; 32],
    /// Of one that fires: how many whole repeat intervals it has.
    repeat: Option<u64>,
    occurred_at: String,
}

#[cfg(test)]
mod tests;
