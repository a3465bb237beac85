//! Webhooks of Prometheus' Alertmanager, version 4: one event for each alert.

use super::alerts::{Shape, events};
use super::{Parts, Surroundings};
use crate::members::Members;

const SHAPE: Shape = Shape {
    way: "alertmanager",
    kind: "alertmanager.alert",
    version: "4",
    of_group: &[
        "groupKey",
        "receiver",
        "groupLabels",
        "commonLabels",
        "commonAnnotations",
        "externalURL",
        "truncatedAlerts",
    ],
};

/// Makes events of a webhook.
///
/// # Errors
/// When it is no webhook of that kind.
pub fn read(body: &Members, surroundings: Surroundings) -> Parts {
    events(body, &SHAPE, surroundings)
}
