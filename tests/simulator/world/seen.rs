//! What the store shows of a world, row by row, in the words of the model.

use std::collections::BTreeMap;

use bellbuoy_harness::Stores;
use bellbuoy_harness::books::Books;
use domain::alert::{AlertFilter, AlertState};
use domain::evaluation::{MatchOutcome, Origin};
use domain::group::GroupState;
use domain::id::GroupId;
use domain::time::Time;
use sqlx::types::Json;
use uuid::Uuid;

use super::{World, group_key};
use crate::history::HOSTS;
use crate::model::{Group, alert_line, evaluation_line, group_line, match_line, notification_line};

/// What the store shows.
pub struct Seen {
    /// Each row, as the model has them.
    pub lines: Vec<String>,
    /// When each group is due that waits for something.
    pub due: BTreeMap<Group, Time>,
    ends: Vec<String>,
}

impl Seen {
    /// How the groups stand: what must be the same in whichever order events were evaluated.
    pub fn groups(self) -> Vec<String> {
        self.ends
    }
}

macro_rules! rows {
    ($books:expr, $t:ty, $text:expr) => {{
        let text = sqlx::AssertSqlSafe($text);
        match $books {
            Books::Sqlite(pool) => sqlx::query_as::<_, $t>(text).fetch_all(pool).await,
            Books::Postgres(pool) => sqlx::query_as::<_, $t>(text).fetch_all(pool).await,
            Books::Mysql(pool) => sqlx::query_as::<_, $t>(text).fetch_all(pool).await,
        }
        .expect("rows")
    }};
}

impl World<'_> {
    /// What the store shows now.
    pub async fn look(&self) -> Seen {
        let mut lines = Vec::new();
        let openers = self.alerts(&mut lines).await;
        let ends = self.look_at_groups(&mut lines).await;
        self.evaluations(&mut lines).await;
        self.notifications(&mut lines, &openers).await;
        lines.sort_unstable();
        Seen { lines, due: self.all_due().await, ends }
    }

    /// The alerts; answers the names of the events that opened them.
    async fn alerts(&self, lines: &mut Vec<String>) -> BTreeMap<Uuid, String> {
        let store = &self.stage.stores[0];
        let alerts = store.alerts(self.project, &AlertFilter::default(), None, 10_000).await;
        let mut openers = BTreeMap::new();
        for alert in alerts.expect("alerts") {
            let (opened, standing) = (&alert.opened, &alert.standing);
            let opener = self.event_name(opened.event.map(|event| event.0));
            let state = match (standing.state(), standing.resolved) {
                (AlertState::Resolved, Some(by)) => format!("resolved by {}", by.resolver),
                (state, _) => state.to_string(),
            };
            let rule = self.rule_number(opened.rule.0);
            lines.push(alert_line(rule, &opener, &state, standing.round, standing.events));
            openers.insert(opened.id.0, opener);
        }
        openers
    }

    /// The groups; answers what of them must not depend on the order of evaluations: of one that is not open, what matched
    /// before it was resolved may have been forgotten.
    async fn look_at_groups(&self, lines: &mut Vec<String>) -> Vec<String> {
        let text = format!(
            "SELECT rule_id, group_key, state FROM rule_groups WHERE project_id = {}",
            self.literal()
        );
        let mut ends = Vec::new();
        for (rule, key, Json(state)) in
            rows!(&self.stage.books, (Uuid, String, Json<GroupState>), text)
        {
            let host = HOSTS.into_iter().find(|host| group_key(host) == key).expect("a host");
            let group = (self.rule_number(rule), host);
            let name = |place: Option<domain::group::Place>| match place {
                Some(place) => self.event_name(Some(place.event.0)),
                None => "none".to_owned(),
            };
            let (matched, resolved) = (name(state.matched), name(state.resolved));
            let is_open = state.alert.is_some();
            lines.push(group_line(group, is_open, &matched, &resolved));
            let matched = if is_open { matched.as_str() } else { "any" };
            ends.push(group_line(group, is_open, matched, &resolved));
        }
        ends.sort_unstable();
        ends
    }

    /// The evaluations, and the matches that did not ring.
    async fn evaluations(&self, lines: &mut Vec<String>) {
        let project = self.literal();
        let text = format!("SELECT id, ruleset FROM evaluations WHERE project_id = {project}");
        for (event, epoch) in rows!(&self.stage.books, (Uuid, i64), text) {
            lines.push(evaluation_line(&self.event_name(Some(event)), epoch));
        }
        let text = format!(
            "SELECT event_id, rule_id, outcome, reason FROM matches WHERE project_id = {project}"
        );
        let books = &self.stage.books;
        for (event, rule, outcome, reason) in rows!(books, (Uuid, Uuid, i16, Option<String>), text)
        {
            let outcome = MatchOutcome::from_number(outcome).expect("an outcome");
            lines.push(match_line(
                &self.event_name(Some(event)),
                self.rule_number(rule),
                outcome.as_str(),
                reason.as_deref().unwrap_or("-"),
            ));
        }
    }

    /// The notifications, with whom they are for and where they go.
    async fn notifications(&self, lines: &mut Vec<String>, openers: &BTreeMap<Uuid, String>) {
        let (project, books) = (self.literal(), &self.stage.books);
        let text =
            format!("SELECT notification_id, user_id FROM recipients WHERE project_id = {project}");
        let mut users: BTreeMap<Uuid, Vec<usize>> = BTreeMap::new();
        for (notification, user) in rows!(books, (Uuid, Uuid), text) {
            let number = self.users.iter().position(|one| one.0 == user).expect("a user");
            users.entry(notification).or_default().push(number);
        }
        let text =
            format!("SELECT notification_id, target FROM deliveries WHERE project_id = {project}");
        let mut endpoints: BTreeMap<Uuid, Vec<usize>> = BTreeMap::new();
        for (notification, target) in rows!(books, (Uuid, Uuid), text) {
            let number = self.endpoints.iter().position(|one| one.0 == target).expect("a target");
            endpoints.entry(notification).or_default().push(number);
        }
        let text = format!(
            "SELECT id, kind, origin_id, rule_id, round FROM notifications WHERE project_id = {project}"
        );
        for (id, kind, origin, rule, round) in rows!(books, (Uuid, i16, Uuid, Uuid, i64), text) {
            let kind = Origin::from_number(kind).expect("an origin");
            let of = match kind {
                Origin::Event => self.event_name(Some(origin)),
                _ => openers.get(&origin).cloned().unwrap_or_else(|| format!("alert {origin}")),
            };
            let sorted = |all: &mut BTreeMap<Uuid, Vec<usize>>| {
                let mut found = all.remove(&id).unwrap_or_default();
                found.sort_unstable();
                found
            };
            let (users, endpoints) = (sorted(&mut users), sorted(&mut endpoints));
            let rule = self.rule_number(rule);
            lines.push(notification_line(rule, kind.as_str(), &of, round, &users, &endpoints));
        }
        let lost = users.keys().chain(endpoints.keys());
        lines.extend(lost.map(|id| format!("rows of the notification {id}, which is not there")));
    }

    /// When each group is due, the earliest time of those that have several.
    async fn all_due(&self) -> BTreeMap<Group, Time> {
        let text =
            format!("SELECT data, at FROM due WHERE project_id = {} AND kind = 5", self.literal());
        let groups = self.groups();
        let mut due = BTreeMap::new();
        for (data, at) in rows!(&self.stage.books, (Option<Vec<u8>>, Time), text) {
            let id = data.as_deref().and_then(GroupId::from_bytes).expect("a group");
            let group = groups.get(&id).copied().expect("a group of this project");
            let earliest = due.entry(group).or_insert(at);
            *earliest = at.min(*earliest);
        }
        due
    }

    /// How the project's id is written in a statement.
    fn literal(&self) -> String {
        let id = self.project.0;
        match self.stage.which {
            Stores::Postgres => format!("'{id}'"),
            Stores::Sqlite | Stores::Mariadb => format!("x'{}'", id.simple()),
        }
    }

    fn event_name(&self, id: Option<Uuid>) -> String {
        let known = self.events.iter().find(|(_, event)| Some(event.id.0) == id);
        known.map_or_else(|| format!("{id:?}"), |(name, _)| format!("e{name}"))
    }

    fn rule_number(&self, id: Uuid) -> usize {
        self.rules.iter().position(|rule| rule.id.0 == id).expect("a rule of this project")
    }
}
