//! Webhooks of Grafana's alerting: Alertmanager's, and more. One event for each alert.

use super::alerts::{Shape, events};
use super::{Parts, Surroundings};
use crate::members::Members;

const SHAPE: Shape = Shape {
    way: "grafana",
    kind: "grafana.alert",
    version: "1",
    of_group: &[
        "groupKey",
        "receiver",
        "groupLabels",
        "commonLabels",
        "commonAnnotations",
        "externalURL",
        "truncatedAlerts",
        "orgId",
        "state",
        "title",
    ],
};

/// Makes events of a webhook.
///
/// # Errors
/// When it is no webhook of that kind.
pub fn read(body: &Members, surroundings: Surroundings) -> Parts {
    events(body, &SHAPE, surroundings)
}
