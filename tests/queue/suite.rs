//! What is true of every engine: order, fairness, completeness, wake-ups.

use std::collections::{HashMap, HashSet};
use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bellbuoy_harness::engines::Ground;
use domain::clock::Clock;
use domain::id::{EventId, JobId, ProjectId};
use domain::job::{Envelope, Job, NewJob, QueueName};
use queue::{Batch, Depth, LeaseId, Queue};

/// What an engine keeps of what is asked of engines. A case that asks for what one does not keep asks it for what it
/// keeps instead.
#[derive(Clone, Copy)]
pub struct Keeps {
    /// Jobs of a project come in the order in which they were pushed.
    pub order: bool,
    /// Projects take turns by the engine's own hand, rather than by there being few jobs of each.
    pub turns: bool,
    /// Nobody gets jobs of a project while another holds some.
    pub alone: bool,
    /// Attempts are counted exactly: giving a job back need not count.
    pub counts: bool,
    /// The largest body.
    pub bytes: usize,
    /// How many jobs it can be asked to carry in a test.
    pub many: usize,
}

impl Keeps {
    pub const ALL: Self = Self {
        order: true,
        turns: true,
        alone: false,
        counts: true,
        bytes: 1 << 20,
        many: 100_000,
    };
}

/// A queue, and what it lies on.
#[derive(Clone)]
pub struct Shared {
    queue: Arc<dyn Queue>,
    keeps: Keeps,
    _ground: Option<Arc<Ground>>,
}

impl Shared {
    #[cfg(feature = "servers")]
    pub fn new(queue: impl Queue) -> Self {
        Self::keeping(queue, Keeps::ALL)
    }

    #[cfg(feature = "servers")]
    pub fn keeping(queue: impl Queue, keeps: Keeps) -> Self {
        Self { queue: Arc::new(queue), keeps, _ground: None }
    }

    pub fn on(ground: Ground, queue: impl Queue) -> Self {
        Self { queue: Arc::new(queue), keeps: Keeps::ALL, _ground: Some(Arc::new(ground)) }
    }

    pub const fn keeps(&self) -> Keeps {
        self.keeps
    }

    /// What came, sorted unless the engine keeps the order itself.
    pub fn in_order<T: Ord>(&self, mut came: Vec<T>) -> Vec<T> {
        if !self.keeps.order {
            came.sort_unstable();
        }
        came
    }
}

impl Deref for Shared {
    type Target = dyn Queue;

    fn deref(&self) -> &Self::Target {
        &*self.queue
    }
}

pub const EVENTS: QueueName = QueueName::Events;
/// Longer than any test.
pub const LONG: Duration = Duration::from_secs(60);

pub fn project() -> ProjectId {
    ProjectId::fresh(Clock::System.now())
}

pub fn job(project: ProjectId, number: usize) -> NewJob {
    let id = JobId::fresh(Clock::System.now());
    NewJob { id, project, queue: EVENTS, body: number.to_string().into_bytes() }
}

pub fn jobs(project: ProjectId, count: usize) -> Vec<NewJob> {
    (0..count).map(|number| job(project, number)).collect()
}

pub async fn reserve(queue: &Shared, max: usize) -> Option<Batch> {
    queue.reserve(EVENTS, max).await.expect("reserves")
}

pub async fn settle(queue: &Shared, leases: &[LeaseId]) {
    queue.settle(EVENTS, leases.to_vec()).await.expect("settles");
}

pub async fn depth(queue: &Shared) -> (u64, u64) {
    let Depth { waiting, held } = queue.depth(EVENTS).await.expect("counts");
    (waiting, held)
}

pub fn numbers(batch: &Batch) -> Vec<usize> {
    let number = |body: &[u8]| std::str::from_utf8(body).expect("text").parse().expect("a number");
    batch.jobs.iter().map(|job| number(&job.body)).collect()
}

/// Reserves again and again until something comes or `within` has passed.
pub async fn wait(queue: &Shared, max: usize, within: Duration) -> Option<Batch> {
    let deadline = Instant::now() + within;
    loop {
        let batch = reserve(queue, max).await;
        if batch.is_some() || Instant::now() >= deadline {
            return batch;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub async fn settled_jobs_leave_nothing<F: AsyncFn(Duration) -> Shared>(open: &F) {
    let queue = open(LONG).await;
    let (one, other) = (project(), project());
    assert!(reserve(&queue, 10).await.is_none());
    assert_eq!(depth(&queue).await, (0, 0));
    let mut pushed = jobs(one, 3);
    pushed.extend(jobs(other, 2));
    queue.push(pushed.clone()).await.expect("pushes");
    queue.push(Vec::new()).await.expect("pushes nothing");
    assert_eq!(depth(&queue).await, (5, 0));
    let batch = reserve(&queue, 10).await.expect("jobs");
    assert_eq!(depth(&queue).await, (0, 5));
    assert!(batch.jobs.iter().all(|job| job.attempt == 1));
    for job in &pushed {
        let same = batch.jobs.iter().find(|held| held.id == job.id).expect("each of them");
        assert_eq!((same.project, &same.body), (job.project, &job.body));
    }
    assert!(reserve(&queue, 10).await.is_none());
    settle(&queue, &[batch.lease]).await;
    assert_eq!(depth(&queue).await, (0, 0));
    assert!(reserve(&queue, 10).await.is_none());
    queue.ping().await.expect("answers");
}

pub async fn projects_keep_their_order<F: AsyncFn(Duration) -> Shared>(open: &F) {
    let queue = open(LONG).await;
    let mine = project();
    for chunk in jobs(mine, 100).chunks(7) {
        queue.push(chunk.to_vec()).await.expect("pushes");
    }
    let mut seen = Vec::new();
    while let Some(batch) = reserve(&queue, 9).await {
        assert!(batch.jobs.len() <= 9);
        seen.extend(numbers(&batch));
        settle(&queue, &[batch.lease]).await;
    }
    assert_eq!(queue.in_order(seen), (0..100).collect::<Vec<_>>());
}

/// Jobs as the product makes them: each names events.
fn naming(project: ProjectId, count: usize) -> Vec<NewJob> {
    let now = Clock::System.now();
    let one = |_| {
        let events = vec![EventId::fresh(now), EventId::fresh(now)];
        let body = Envelope::new(project, Job::EvaluateStored(events)).encode().expect("encodes");
        NewJob { id: JobId::fresh(now), project, queue: EVENTS, body }
    };
    (0..count).map(one).collect()
}

/// Where nobody is given turns, a flood must not be many jobs.
async fn a_flood_is_few_jobs(queue: &Shared) {
    let (flood, other) = (project(), project());
    for _ in 0..10 {
        queue.push(naming(flood, 100)).await.expect("pushes");
    }
    assert!(depth(queue).await.0 <= 160, "{:?} jobs for ten pushes", depth(queue).await);
    queue.push(naming(other, 1)).await.expect("pushes");
    let mut batches = 0;
    while let Some(batch) = reserve(queue, 64).await {
        batches += 1;
        settle(queue, &[batch.lease]).await;
        if batch.jobs.iter().any(|job| job.project == other) {
            break;
        }
    }
    assert!(batches <= 3, "the other project comes in batch {batches}");
}

pub async fn a_flood_gets_its_share_and_no_more<F: AsyncFn(Duration) -> Shared>(open: &F) {
    let queue = open(LONG).await;
    if !queue.keeps().turns {
        return a_flood_is_few_jobs(&queue).await;
    }
    let (flood, other) = (project(), project());
    queue.push(jobs(flood, 10_000)).await.expect("pushes");
    let first = reserve(&queue, 10).await.expect("jobs");
    assert_eq!(first.jobs.len(), 10);
    queue.push(jobs(other, 10)).await.expect("pushes");
    let mut seen = Vec::new();
    for _ in 0..4 {
        let batch = reserve(&queue, 10).await.expect("jobs");
        assert_eq!(batch.jobs.len(), 10, "the flood takes what the other leaves");
        seen.extend(batch.jobs.into_iter().filter(|job| job.project == other));
    }
    assert_eq!(seen.len(), 10, "the other project waits behind the flood");
}

pub async fn many_projects_take_turns<F: AsyncFn(Duration) -> Shared>(open: &F) {
    let queue = open(LONG).await;
    let projects: Vec<ProjectId> = (0..20).map(|_| project()).collect();
    let pushed = projects.iter().flat_map(|project| jobs(*project, 50)).collect();
    queue.push(pushed).await.expect("pushes");
    if !queue.keeps().turns {
        // Nobody is promised a share, but all of it comes.
        let mut seen = HashSet::new();
        while let Some(batch) = reserve(&queue, 40).await {
            seen.extend(batch.jobs.iter().map(|job| job.id));
            settle(&queue, &[batch.lease]).await;
        }
        assert_eq!((seen.len(), depth(&queue).await), (1000, (0, 0)));
        return;
    }
    for _ in 0..25 {
        let mut share: HashMap<ProjectId, usize> = HashMap::new();
        let batch = reserve(&queue, 40).await.expect("jobs");
        for job in &batch.jobs {
            *share.entry(job.project).or_default() += 1;
        }
        assert_eq!(share.len(), 20, "{share:?}");
        assert!(share.values().all(|count| *count == 2), "{share:?}");
        settle(&queue, &[batch.lease]).await;
    }
    assert_eq!(depth(&queue).await, (0, 0));
    // Fewer places than projects: nobody comes twice before all had one.
    queue
        .push(projects.iter().flat_map(|project| jobs(*project, 2)).collect())
        .await
        .expect("pushes");
    let mut seen = HashSet::new();
    for _ in 0..4 {
        let batch = reserve(&queue, 5).await.expect("jobs");
        assert!(batch.jobs.iter().all(|job| seen.insert(job.project)));
    }
}

pub async fn who_keeps_pushing_keeps_its_turn<F: AsyncFn(Duration) -> Shared>(open: &F) {
    let queue = open(LONG).await;
    let (quiet, busy) = (project(), project());
    queue.push(jobs(quiet, 100)).await.expect("pushes");
    let mut served = 0;
    for number in 0..20 {
        queue.push(vec![job(busy, number)]).await.expect("pushes");
        let batch = reserve(&queue, 1).await.expect("a job");
        served += usize::from(batch.jobs[0].project == busy);
        settle(&queue, &[batch.lease]).await;
    }
    if queue.keeps().turns {
        assert!((9..=11).contains(&served), "{served} of 20");
        return;
    }
    // Without turns it waits behind what was there, and no longer.
    for _ in 0..100 {
        let batch = reserve(&queue, 1).await.expect("a job");
        served += usize::from(batch.jobs[0].project == busy);
        settle(&queue, &[batch.lease]).await;
    }
    assert_eq!((served, depth(&queue).await), (20, (0, 0)));
}

pub async fn queues_do_not_touch_each_other<F: AsyncFn(Duration) -> Shared>(open: &F) {
    let queue = open(LONG).await;
    let mine = project();
    let all = QueueName::ALL.into_iter().map(|queue| NewJob { queue, ..job(mine, 1) });
    queue.push(all.collect()).await.expect("pushes");
    let batch = reserve(&queue, 10).await.expect("jobs");
    assert_eq!(batch.jobs.len(), 1);
    for other in [QueueName::Deliveries, QueueName::Maintenance] {
        queue.settle(other, vec![batch.lease]).await.expect("settles");
        let jobs = vec![batch.jobs[0].id];
        let after = Duration::ZERO;
        queue.release(other, batch.lease, jobs, after, true).await.expect("releases");
        let lost = queue.extend(other, vec![batch.lease]).await.expect("extends");
        assert_eq!(lost, [batch.lease]);
        let depth = queue.depth(other).await.expect("counts");
        assert_eq!(depth, Depth { waiting: 1, held: 0 });
    }
    assert_eq!(depth(&queue).await, (0, 1));
}

pub async fn a_great_many_jobs_drain<F: AsyncFn(Duration) -> Shared>(open: &F) {
    let queue = open(LONG).await;
    let projects: Vec<ProjectId> = (0..7).map(|_| project()).collect();
    let many = queue.keeps().many;
    let pushed: Vec<NewJob> = (0..many).map(|n| job(projects[n % 7], n)).collect();
    let start = Instant::now();
    for chunk in pushed.chunks(10_000) {
        queue.push(chunk.to_vec()).await.expect("pushes");
    }
    let mut seen = HashSet::new();
    while let Some(batch) = reserve(&queue, 500).await {
        seen.extend(batch.jobs.iter().map(|job| job.id));
        settle(&queue, &[batch.lease]).await;
    }
    assert_eq!(seen.len(), many);
    assert!(start.elapsed() < Duration::from_secs(30), "took {:?}", start.elapsed());
    assert_eq!(depth(&queue).await, (0, 0));
}

pub async fn concurrent_workers_never_share_a_job<F: AsyncFn(Duration) -> Shared>(open: &F) {
    let queue = open(LONG).await;
    let projects: Vec<ProjectId> = (0..3).map(|_| project()).collect();
    let many = queue.keeps().many / 5;
    let pushed = (0..many).map(|n| job(projects[n % 3], n)).collect();
    queue.push(pushed).await.expect("pushes");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let work = |_| {
        let (queue, seen) = (queue.clone(), seen.clone());
        tokio::spawn(async move {
            while let Some(batch) = reserve(&queue, 50).await {
                seen.lock().expect("whole").extend(numbers(&batch));
                settle(&queue, &[batch.lease]).await;
            }
        })
    };
    for worker in (0..8).map(work).collect::<Vec<_>>() {
        worker.await.expect("works");
    }
    let mut seen = std::mem::take(&mut *seen.lock().expect("whole"));
    seen.sort_unstable();
    assert_eq!(seen, (0..many).collect::<Vec<_>>());
    assert_eq!(depth(&queue).await, (0, 0));
}

pub async fn pushes_wake<F: AsyncFn(Duration) -> Shared>(open: &F) {
    let queue = open(LONG).await;
    let mut wakeups = queue.wakeups(EVENTS);
    let mine = project();
    let mut took = Vec::new();
    for number in 0..50 {
        wakeups.mark_unchanged();
        let start = Instant::now();
        queue.push(vec![job(mine, number)]).await.expect("pushes");
        let moved = tokio::time::timeout(Duration::from_secs(10), wakeups.changed()).await;
        moved.expect("in time").expect("the queue is there");
        took.push(start.elapsed());
        let batch = reserve(&queue, 10).await.expect("the job");
        settle(&queue, &[batch.lease]).await;
    }
    took.sort();
    println!("push to wake-up in the same process: p50 {:?}, p99 {:?}", took[25], took[49]);
}

pub async fn bodies_are_bytes<F: AsyncFn(Duration) -> Shared>(open: &F) {
    let queue = open(LONG).await;
    let mine = project();
    let largest = vec![7; queue.keeps().bytes];
    let bodies = [Vec::new(), vec![0], (0..=255).collect(), b"\r\n$-1\r\n".to_vec(), largest];
    let pushed = bodies.iter().map(|body| NewJob { body: body.clone(), ..job(mine, 0) });
    queue.push(pushed.collect()).await.expect("pushes");
    let wanted = queue.in_order(bodies.to_vec());
    let came = |batch: &Batch| {
        queue.in_order(batch.jobs.iter().map(|job| job.body.clone()).collect::<Vec<_>>())
    };
    let batch = reserve(&queue, 10).await.expect("jobs");
    assert!(came(&batch) == wanted);
    // Also when they have been held and come back.
    let ids = batch.jobs.iter().map(|job| job.id).collect();
    queue.release(EVENTS, batch.lease, ids, Duration::ZERO, false).await.expect("releases");
    let again = reserve(&queue, 10).await.expect("jobs");
    assert!(came(&again) == wanted);
}
