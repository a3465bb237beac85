//! The real thing: a project of a history's own in a real store, and two workers. What the store shows of it is in `seen`.

mod seen;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bellbuoy_harness::Stores;
use bellbuoy_harness::books::Books;
use bellbuoy_harness::engines::{self, Ground};
use domain::alert::AlertFilter;
use domain::audit::{AuditAction, Entry};
use domain::evaluation::ByHand;
use domain::event::Event;
use domain::id::{
    AlertId, EndpointId, EventId, GroupId, ProjectId, RoleId, RuleId, SilenceId, UserId,
};
use domain::rule::{Priority, Rule, RuleBody, RuleMode, Suppression};
use domain::silence::SilenceBody;
use domain::time::Time;
use serde_json::value::RawValue;
use store::evaluations::ByHandVerdict;
use store::events::Incoming;
use store::rules::SealedEndpoint;
use store::silences::{KeptSilence, SilenceVerdict};
use store::{Store, StoreError};
use uuid::Uuid;

pub use self::seen::Seen;
use crate::history::{HOSTS, Hand, Op, RULES, RuleSays, Window};
use crate::model::{Act, Group, Sent, Step};
use crate::worker::{TRIES, Worker, die_after, evaluate, look_again};

/// A store for many projects, and a way past it.
pub struct Stage {
    /// The store as each worker's process has it.
    stores: [Store; 2],
    books: Books,
    ground: Ground,
    which: Stores,
}

impl Stage {
    /// A store of a test's own.
    pub async fn open(which: Stores) -> Self {
        let (store, ground) = engines::store(which).await;
        let other = another(which, &store, &ground).await;
        let books = Books::open(&ground.config.store).await;
        Self { stores: [store, other], books, ground, which }
    }
}

/// The store as another process has it. SQLite is for one process.
async fn another(which: Stores, store: &Store, ground: &Ground) -> Store {
    match which {
        Stores::Sqlite => store.clone(),
        Stores::Postgres | Stores::Mariadb => {
            Store::open(&ground.config.store, Duration::from_secs(5)).await.expect("opens")
        }
    }
}

/// The rows of groups that are due.
type DueGroups = Vec<(Uuid, GroupId)>;

/// A project of a history's own.
pub struct World<'a> {
    stage: &'a Stage,
    project: ProjectId,
    workers: [Worker; 2],
    rules: Vec<Rule>,
    users: Vec<UserId>,
    endpoints: Vec<EndpointId>,
    events: BTreeMap<u32, Event>,
    silences: BTreeMap<u32, SilenceId>,
    clock: Time,
    /// The epoch after the last change.
    pub epoch: i64,
}

impl<'a> World<'a> {
    /// A project with two users, whom rules name twice, two endpoints, and the rules of every history.
    pub async fn new(stage: &'a Stage) -> Self {
        let clock = Time::parse("2026-03-01T12:00:00Z").expect("a time");
        let store = &stage.stores[0];
        let project = ProjectId::fresh(clock);
        let name = format!("s{}", project.0.simple());
        store.create_project(project, &name, &name, clock).await.expect("a project");
        let users: Vec<UserId> = (0..2).map(|_| UserId::fresh(clock)).collect();
        for (number, user) in users.iter().enumerate() {
            let email = format!("{number}@example.com");
            store.create_user(project, *user, &email, "Night Watch", clock).await.expect("a user");
        }
        for (role, members) in [("on_call", &users[..]), ("night", &users[..1])] {
            let id = RoleId::fresh(clock);
            store.create_role(project, id, role, members, clock).await.expect("a role");
        }
        let endpoints: Vec<EndpointId> = (0..2).map(|_| EndpointId::fresh(clock)).collect();
        for (number, id) in endpoints.iter().enumerate() {
            let (name, url) = (format!("sink {number}"), format!("http://127.0.0.1/{id}"));
            let endpoint = SealedEndpoint::new(*id, &name, url, vec![7; 32]);
            store.create_endpoint(project, &endpoint, clock).await.expect("an endpoint");
        }
        let rules: Vec<Rule> = (0..).zip(RULES).map(|(number, says)| rule(number, says)).collect();
        for rule in &rules {
            store.create_rule(project, rule, clock).await.expect("a rule");
        }
        let worker = |number: usize| Worker { store: stage.stores[number].clone(), set: None };
        let mut world = Self {
            stage,
            project,
            workers: [worker(0), worker(1)],
            rules,
            users,
            endpoints,
            events: BTreeMap::new(),
            silences: BTreeMap::new(),
            clock,
            epoch: 0,
        };
        world.read_epoch().await;
        world
    }

    async fn read_epoch(&mut self) {
        let source = self.stage.stores[0].rule_source(self.project).await;
        self.epoch = source.expect("rules").epoch;
    }

    /// Does something; answers what may have come of it, of which the store knows what did.
    ///
    /// # Errors
    /// When something fails that never should.
    pub async fn run(&mut self, op: &Op) -> Result<Vec<Vec<Step>>, String> {
        let now = self.clock;
        match op {
            Op::Accept { event, host, firing, late } => {
                Ok(vec![vec![self.accept(*event, host, *firing, *late).await]])
            }
            Op::Evaluate { worker, events } => {
                let (events, step) = self.batch(events);
                evaluate(&mut self.workers[*worker], self.project, &events, now).await?;
                Ok(vec![vec![step]])
            }
            Op::EvaluateAndDie { worker, events, polls } => {
                let (events, step) = self.batch(events);
                let mut dying = self.mortal(*worker).await;
                let work = evaluate(&mut dying, self.project, &events, now);
                let done = die_after(work, *polls).await;
                self.bury(dying).await;
                Ok(match done.transpose()? {
                    Some(()) => vec![vec![step]],
                    None => vec![vec![], vec![step]],
                })
            }
            Op::EvaluateBoth { first, second } => {
                let (one, one_step) = self.batch(first);
                let (other, other_step) = self.batch(second);
                let [a, b] = &mut self.workers;
                let (done, also) = tokio::join!(
                    evaluate(a, self.project, &one, now),
                    evaluate(b, self.project, &other, now)
                );
                done.and(also)?;
                let reversed = vec![other_step.clone(), one_step.clone()];
                Ok(vec![vec![one_step, other_step], reversed])
            }
            Op::LookAgain { worker } => {
                let (due, steps) = self.due(*worker).await?;
                look_again(&mut self.workers[*worker], self.project, &due, now).await?;
                Ok(vec![steps])
            }
            Op::LookAgainAndDie { worker, polls } => {
                let (due, steps) = self.due(*worker).await?;
                let mut dying = self.mortal(*worker).await;
                let work = look_again(&mut dying, self.project, &due, now);
                let done = die_after(work, *polls).await;
                self.bury(dying).await;
                Ok(match done.transpose()? {
                    Some(()) => vec![steps],
                    // The first so many were looked at.
                    None => (0..=steps.len()).map(|count| steps[..count].to_vec()).collect(),
                })
            }
            Op::ChangeRule { rule, shadow, window } => {
                Ok(vec![vec![self.change_rule(*rule, *shadow, *window).await]])
            }
            Op::Silence { silence, host, seconds } => {
                Ok(vec![vec![self.silence(*silence, host, *seconds).await]])
            }
            Op::EndSilence { silence } => Ok(vec![self.end_silence(*silence).await]),
            Op::ByHand { rule, host, hand } => {
                Ok(vec![vec![self.by_hand((*rule, *host), *hand).await?]])
            }
            Op::Step { seconds } => {
                let by = Duration::from_secs(seconds.unsigned_abs());
                self.clock = if *seconds < 0 { now.minus(by) } else { now.plus(by) };
                Ok(vec![vec![]])
            }
        }
    }

    async fn accept(&mut self, name: u32, host: &'static str, firing: bool, late: u64) -> Step {
        let received_at = self.clock.minus(Duration::from_secs(late));
        let status = if firing { "firing" } else { "resolved" };
        let payload = format!(r#"{{"host":"{host}","status":"{status}"}}"#);
        let event = Event {
            id: EventId::fresh(received_at),
            kind: "disk".to_owned(),
            source: String::new(),
            subject: None,
            payload: RawValue::from_string(payload).expect("JSON"),
            occurred_at: None,
            received_at,
            idempotency_key: None,
            correlation_id: None,
            replay_of: None,
            key_id: None,
        };
        let incoming =
            Incoming { project: self.project, event: event.clone(), key: None, trace: None };
        let kept =
            self.stage.stores[0].accept_events(Arc::new(vec![incoming]), None, self.clock).await;
        kept.expect("keeps");
        let sent = Sent { place: (received_at, event.id), host, firing };
        self.events.insert(name, event);
        Step::Accept { event: name, sent }
    }

    /// Those of these events that were accepted.
    fn batch(&self, names: &[u32]) -> (Vec<Event>, Step) {
        let known = |name: &&u32| self.events.contains_key(*name);
        let names: Vec<u32> = names.iter().filter(known).copied().collect();
        let events = names.iter().map(|name| self.events[name].clone()).collect();
        (events, Step::Evaluate { events: names, now: self.clock })
    }

    /// The groups whose time has come, oldest first, and what is to be done about each.
    async fn due(&self, worker: usize) -> Result<(DueGroups, Vec<Step>), String> {
        let now = self.clock;
        let due = self.workers[worker].store.due_groups(self.project, now, 100).await;
        let due = due.map_err(|error| error.to_string())?;
        let groups = self.groups();
        let step = |(_, id): &(Uuid, GroupId)| {
            groups.get(id).map(|group| Step::LookAgain { group: *group, now })
        };
        let steps: Option<Vec<Step>> = due.iter().map(step).collect();
        let steps = steps.ok_or_else(|| "a group of no rule is due".to_owned())?;
        Ok((due, steps))
    }

    /// Which group is which.
    fn groups(&self) -> BTreeMap<GroupId, Group> {
        let mut groups = BTreeMap::new();
        for (number, rule) in self.rules.iter().enumerate() {
            for host in HOSTS {
                groups.insert(GroupId::new(rule.id, &group_key(host)), (number, host));
            }
        }
        groups
    }

    /// A worker that is to die, with the rules that one knows: a process of its own, whose connections end with it. On
    /// SQLite it asks the one writer, which does all of what it was asked for or nothing.
    async fn mortal(&self, like: usize) -> Worker {
        let Stage { stores, ground, which, .. } = self.stage;
        let store = another(*which, &stores[0], ground).await;
        Worker { store, set: self.workers[like].set.clone() }
    }

    /// Sees to it that nothing goes on that a worker began before it died.
    async fn bury(&self, dead: Worker) {
        if self.stage.which != Stores::Sqlite {
            dead.store.close().await;
        }
        // A change waits for all that hold the epoch, and on SQLite for all that was asked for before. This one finds
        // nothing to change.
        let unknown = Rule { id: RuleId::fresh(self.clock), ..self.rules[0].clone() };
        let store = &self.stage.stores[0];
        let changed = store.change_rule(self.project, &unknown, self.clock).await;
        assert!(matches!(changed, Err(StoreError::NotFound("rule"))), "{changed:?}");
    }

    async fn change_rule(&mut self, number: usize, shadow: bool, window: Option<Window>) -> Step {
        let rule = &mut self.rules[number];
        rule.mode = if shadow { RuleMode::Shadow } else { RuleMode::Live };
        rule.body.suppression = window.map(|(count, seconds)| Suppression::new(count, seconds));
        let changed = self.stage.stores[0].change_rule(self.project, rule, self.clock).await;
        rule.version = changed.expect("changes");
        self.read_epoch().await;
        Step::ChangeRule { rule: number, shadow, window, epoch: self.epoch }
    }

    async fn silence(&mut self, name: u32, host: &'static str, seconds: u64) -> Step {
        let (id, now) = (SilenceId::fresh(self.clock), self.clock);
        let until = now.plus(Duration::from_secs(seconds));
        let body = SilenceBody {
            reason: "maintenance".to_owned(),
            rules: Vec::new(),
            priorities: Vec::new(),
            condition: Some(format!(r#"event.payload.host == "{host}""#)),
            alert: None,
            starts_at: now,
            ends_at: Some(until),
            hours: None,
        };
        let new = KeptSilence {
            id,
            body,
            version: 1,
            created_by: None,
            ended_at: None,
            created_at: now,
            updated_at: now,
        };
        let entry = Entry::of_system(AuditAction::SilenceCreate, id.0);
        let made = self.stage.stores[0].add_silence(self.project, &new, &entry, now).await;
        assert!(matches!(made, Ok(SilenceVerdict::Done(_))), "{made:?}");
        self.silences.insert(name, id);
        self.read_epoch().await;
        Step::Silence { id, host, now, until, epoch: self.epoch }
    }

    async fn end_silence(&mut self, name: u32) -> Vec<Step> {
        let Some(id) = self.silences.get(&name).copied() else { return Vec::new() };
        let entry = Entry::of_system(AuditAction::SilenceEnd, id.0);
        let store = &self.stage.stores[0];
        let ended = store.end_silence(self.project, id, None, &entry, self.clock).await;
        let done = match ended {
            Ok(SilenceVerdict::Done(_)) => true,
            Ok(SilenceVerdict::Over) => false,
            other => panic!("a silence can be ended: {other:?}"),
        };
        self.read_epoch().await;
        vec![Step::EndSilence { id, now: self.clock, done, epoch: self.epoch }]
    }

    async fn by_hand(&mut self, group: Group, hand: Hand) -> Result<Step, String> {
        let now = self.clock;
        let (act, wanted, action) = match hand {
            Hand::Acknowledge(seconds) => {
                let until = seconds.map(|seconds| now.plus(Duration::from_secs(seconds)));
                let wanted = ByHand::Acknowledge { until };
                (Act::Acknowledge(until), wanted, AuditAction::AlertAcknowledge)
            }
            Hand::Unacknowledge => {
                (Act::Unacknowledge, ByHand::Unacknowledge, AuditAction::AlertUnacknowledge)
            }
            Hand::Resolve => (Act::Resolve, ByHand::Resolve, AuditAction::AlertResolve),
        };
        let done = match self.open_alert(group).await {
            Some(alert) => self.change_alert(alert, wanted, action).await?,
            None => false,
        };
        Ok(Step::ByHand { group, act, now, done })
    }

    async fn open_alert(&self, (rule, host): Group) -> Option<AlertId> {
        let filter = AlertFilter { rule: Some(self.rules[rule].id), ..AlertFilter::default() };
        let store = &self.stage.stores[0];
        let alerts = store.unresolved_alerts(self.project, &filter, None, 1000).await;
        let mut alerts = alerts.expect("alerts").into_iter();
        alerts.find(|one| one.group_key == group_key(host)).map(|one| one.opened.id)
    }

    async fn change_alert(
        &mut self,
        alert: AlertId,
        wanted: ByHand,
        action: AuditAction,
    ) -> Result<bool, String> {
        let (project, now) = (self.project, self.clock);
        let entry = Entry::of_system(action, alert.0);
        let worker = &mut self.workers[0];
        for _ in 0..TRIES {
            let set = worker.rules(project).await;
            let store = &worker.store;
            match store.change_alert(project, alert, wanted, &set, false, &entry, now).await {
                Ok(ByHandVerdict::Done(_)) => return Ok(true),
                Ok(ByHandVerdict::Refused(_)) => return Ok(false),
                Ok(ByHandVerdict::Stale) => worker.set = None,
                Err(error) if error.is_passing() => {}
                Err(error) => return Err(format!("an alert was not changed: {error}")),
            }
        }
        Err("an alert was not changed however often it was tried".to_owned())
    }
}

fn rule(number: usize, says: RuleSays) -> Rule {
    let begun = Time::parse("2026-03-01T12:00:00Z").expect("a time");
    let when =
        |status: &str| format!(r#"event.type == "disk" && event.payload.status == "{status}""#);
    let name = format!("Rule {number}");
    let body = RuleBody {
        priority: Priority::High,
        target_roles: vec!["on_call".to_owned(), "night".to_owned()],
        group_by: vec!["event.payload.host".to_owned()],
        resolve_condition: says.resolves.then(|| when("resolved")),
        notify_resolved: says.notify_resolved,
        suppression: says.window.map(|(count, seconds)| Suppression::new(count, seconds)),
        ..RuleBody::new(name, when("firing"))
    };
    let mode = if says.shadow { RuleMode::Shadow } else { RuleMode::Live };
    Rule { id: RuleId::fresh(begun), version: 1, mode, since: begun, body }
}

/// How the group of a host is called in the store.
fn group_key(host: &str) -> String {
    format!(r#"["{host}"]"#)
}
