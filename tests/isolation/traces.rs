//! What the product leaves behind: jobs, rows, webhooks, logs and metrics.

use bellbuoy_harness::books::Books;
use bellbuoy_harness::dumps::redis_contents;
use bellbuoy_harness::{Caller, Surface, engines, sqs};
use config::QueueUrl;
use domain::job::QueueName;
use serde_json::json;

use super::Scene;

impl Scene {
    /// With the queues at rest, the jobs of the second project name nothing of the first.
    pub async fn jobs_are_of_one_project(&mut self) {
        let now = domain::clock::Clock::System.now();
        for queue in QueueName::ALL {
            self.served.store.pause_queue(queue, Some(now)).await.expect("pauses");
        }
        let surface = Surface::read(&self.document().await);
        let accept = surface.by_id("accept_event").expect("events are accepted");
        let mut seen = Vec::new();
        // Workers notice a pause within a moment; what they took before is gone.
        for _ in 0..200 {
            for filled in [&mut self.a, &mut self.b] {
                let (front, key) = (&self.served.front, filled.key.clone());
                let words = &mut filled.words;
                let reply = surface.send(front, &key, accept, "/api/v1/events", words).await;
                assert_eq!(reply.status, 202, "{reply:?}");
            }
            seen = self.jobs().await;
            if !seen.is_empty() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        if seen.is_empty() {
            self.fault("no job is to be seen".to_owned());
        }
        for job in &seen {
            if self.is_of_the_second(job) && self.is_of_the_first(job) {
                self.fault(format!("a job is of both projects: {job}"));
            }
        }
        for queue in QueueName::ALL {
            self.served.store.pause_queue(queue, None).await.expect("goes on");
        }
    }

    async fn document(&self) -> String {
        let nobody = Caller::nobody();
        self.served.front.get(&nobody, "/api/v1/openapi.json").await.body
    }

    /// Whether a text, which may be in hexadecimal, has the canary of the first project.
    fn is_of_the_first(&self, text: &str) -> bool {
        has(text, &self.a.words.canary)
    }

    fn is_of_the_second(&self, text: &str) -> bool {
        let id = self.b.project.0;
        let texts = [self.b.words.canary.clone(), id.to_string(), id.simple().to_string()];
        texts.iter().any(|one| text.to_lowercase().contains(one) || has(text, one))
    }

    /// The jobs that wait, each as a text.
    async fn jobs(&self) -> Vec<String> {
        let config = &self.served.config;
        match &config.queue.url {
            QueueUrl::Sql => Books::open(&config.store).await.dump("jobs", None).await,
            QueueUrl::Redis(_) => redis_contents(&engines::redis_url(), &config.queue.prefix),
            QueueUrl::Sqs(_) => self.letters().await,
        }
    }

    async fn letters(&self) -> Vec<String> {
        let endpoint = sqs::endpoint();
        let url = &self.served.cluster.settings["BELLBUOY_QUEUE_URL"];
        let prefix = url.split(['/', '?']).nth(3).expect("a prefix in the address");
        let body = json!({ "QueueNamePrefix": prefix });
        let (_, queues) = sqs::ask(&endpoint, "ListQueues", &body).await;
        let mut letters = Vec::new();
        for queue in queues["QueueUrls"].as_array().into_iter().flatten() {
            let body =
                json!({ "QueueUrl": queue, "MaxNumberOfMessages": 10, "VisibilityTimeout": 0 });
            let (_, got) = sqs::ask(&endpoint, "ReceiveMessage", &body).await;
            letters
                .extend(got["Messages"].as_array().into_iter().flatten().map(ToString::to_string));
        }
        letters
    }

    /// Mails of the second project say nothing of the first. Each names its project, by its name and in its token.
    pub async fn mails_are_of_one_project(&mut self) {
        let folder = self.served.cluster.folder().join("data/mailbox");
        let read = || -> Vec<String> {
            let files = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            // A mail appears by a rename: what is named so far is whole.
            let whole = files.filter(|file| file.path().extension().is_some_and(|x| x == "eml"));
            whole.filter_map(|file| std::fs::read_to_string(file.path()).ok()).collect()
        };
        let (first, second) = (self.a.words.canary.clone(), self.b.words.canary.clone());
        let of_both = |mails: &[String]| {
            [&first, &second].iter().all(|one| mails.iter().any(|mail| mail.contains(*one)))
        };
        self.served.until("mails of both projects", async || of_both(&read())).await;
        for mail in read() {
            if self.is_of_the_first(&mail) && self.is_of_the_second(&mail) {
                self.fault(format!("a mail is of both projects: {mail}"));
            }
        }
    }

    /// Rows and webhooks of the second project, and all logs and metrics.
    pub async fn nothing_stands_elsewhere(&mut self) {
        let sink = self.b.sink.clone();
        self.served.until("a webhook", async || !sink.hooks().is_empty()).await;
        for hook in self.b.sink.hooks() {
            let text = format!("{:?}\n{}", hook.headers, String::from_utf8_lossy(&hook.body));
            if self.is_of_the_first(&text) {
                self.fault(format!("a webhook of the second project shows the first: {text}"));
            }
        }
        let first = self.a.sink.hooks();
        if !first.iter().any(|hook| self.is_of_the_first(&String::from_utf8_lossy(&hook.body))) {
            self.fault("no webhook of the first project shows its canary".to_owned());
        }
        let books = Books::open(&self.served.config.store).await;
        let mut full = 0;
        for table in books.tables_of_projects().await {
            let theirs = books.dump(&table, Some(self.a.project.0)).await;
            full += usize::from(theirs.iter().any(|row| self.is_of_the_first(row)));
            for row in books.dump(&table, Some(self.b.project.0)).await {
                if self.is_of_the_first(&row) {
                    self.fault(format!("a row of the second project in {table}: {row}"));
                }
            }
        }
        if full < 10 {
            self.fault(format!("only {full} tables hold the canary"));
        }
        let metrics = self.served.metrics().await;
        if !metrics.contains("bellbuoy_http_requests_total") || self.is_of_the_first(&metrics) {
            self.fault(format!("metrics: {metrics}"));
        }
        let logs = self.served.logs().await;
        let lines: Vec<&str> = logs.lines().collect();
        let shown = lines.iter().filter(|line| self.is_of_the_first(line)).take(5);
        let shown: Vec<String> = shown.map(|line| format!("the log shows: {line}")).collect();
        self.faults.extend(shown);
        assert!(lines.len() > 10, "the log says little: {logs}");
    }
}

/// Whether `text` has `needle`, as it is or as hexadecimal, as dumps write bytes.
fn has(text: &str, needle: &str) -> bool {
    let hex: String = needle.bytes().map(|byte| format!("{byte:02x}")).collect();
    text.contains(needle) || text.to_lowercase().contains(&hex)
}
