//! A change of all alerts that match a filter, one by one and each in its own transaction, as the user who asked for it. One
//! that was changed is not changed again by a worker that goes on after another died.

use domain::alert::{AlertFilter, AlertState};
use domain::audit::Actor;
use domain::authority::{Need, Requester};
use domain::evaluation::ByHand;
use domain::id::AlertId;
use domain::permission::{Action, Resource};
use domain::run::Run;
use services::admin::AdminError;
use services::audit::Initiator;
use store::alerts::Alert;

use super::{Ended, Failure, Held};

/// How many alerts are read at a time.
const PAGE: i64 = 50;

pub(super) async fn work(
    held: &mut Held<'_>,
    run: &Run,
    mut filter: AlertFilter,
    change: ByHand,
) -> Result<Ended, Failure> {
    let (app, project) = (&held.worker.app, held.project);
    let initiator = initiator(held, run);
    filter.state = filter.state.or(change.usual_state());
    loop {
        let before = held.progress.cursor.map(AlertId);
        let page = app.store.unresolved_alerts(project, &filter, before, PAGE).await?;
        for alert in &page {
            let id = alert.opened.id;
            if !is_done(alert, run, change) {
                match app.alerts.change(project, id, change, &initiator).await {
                    Ok(_) => held.progress.changed += 1,
                    // It was resolved meanwhile, or is gone.
                    Err(AdminError::Conflict(_) | AdminError::NotFound(_)) => {}
                    Err(AdminError::Forbidden(_)) => held.progress.failed += 1,
                    Err(error) => return Err(error.into()),
                }
            }
            held.progress.done += 1;
            held.progress.cursor = Some(id.0);
            if !held.report().await? {
                return Ok(Ended::Left);
            }
        }
        if (page.len() as i64) < PAGE {
            return Ok(Ended::Done(None));
        }
    }
}

/// Whether a worker before this one has changed it, and died before it said so.
fn is_done(alert: &Alert, run: &Run, change: ByHand) -> bool {
    let acknowledged = alert.standing.acknowledged.as_ref();
    match change {
        ByHand::Acknowledge { .. } => {
            acknowledged.is_some_and(|one| one.at >= run.created_at && one.by == run.created_by)
        }
        ByHand::Unacknowledge => alert.standing.state() == AlertState::Open,
        ByHand::Resolve => false,
    }
}

/// Who asked for it, with what they may do now.
fn initiator(held: &Held<'_>, run: &Run) -> Initiator {
    let system = Initiator { correlation: Some(run.id.to_string()), ..Initiator::system() };
    let Some(user) = run.created_by else { return system };
    let need = Need { resource: Resource::Alerts, action: Action::Update, own: false };
    let project = held.project;
    Initiator {
        actor: Actor::User(user),
        home: Some(project),
        requester: Some(Requester { project, user, session: None, needs: vec![need] }),
        ..system
    }
}
