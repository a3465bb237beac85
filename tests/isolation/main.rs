//! Does a project keep to itself? Every operation of the OpenAPI document is tried by a second project with what belongs to
//! the first, and nothing of the first is to be seen by the second, anywhere.

#![allow(clippy::expect_used, reason = "a test that can't go on should say so at once")]

mod attacks;
mod traces;

use bellbuoy_harness::cluster::Role;
use bellbuoy_harness::front::Reply;
use bellbuoy_harness::surface::Operation;
use bellbuoy_harness::{Caller, Filled, Front, Pair, Served, Surface, on_pairs};

on_pairs! {
    a_project_keeps_to_itself
}

/// The product, two projects that are full, and what was found to be wrong.
struct Scene {
    served: Served,
    surface: Surface,
    /// Whose things they are.
    a: Filled,
    /// Who tries to get at them.
    b: Filled,
    /// What must not be seen by the second, and what it is.
    needles: Vec<(String, String)>,
    faults: Vec<String>,
}

async fn a_project_keeps_to_itself(pair: Pair) {
    let mut scene = Scene::new(pair).await;
    scene.all_is_evaluated_and_sent().await;
    let before = scene.what_stays().await;
    assert!(before.len() > 10, "little stays as it is: {:?}", before.keys());
    scene.the_first_is_full(&before);
    scene.the_second_sees_its_own_alone().await;
    scene.foreign_is_like_missing().await;
    scene.a_foreign_slug_is_like_none().await;
    scene.references_to_foreign_things_are_like_missing_ones().await;
    scene.filters_and_cursors_find_nothing_foreign().await;
    scene.two_projects_in_one_request_are_refused().await;
    scene.open_operations_tell_nothing().await;
    let after = scene.what_the_first_has().await;
    scene.nothing_has_changed(&before, &after);
    scene.jobs_are_of_one_project().await;
    scene.mails_are_of_one_project().await;
    scene.nothing_stands_elsewhere().await;
    let faults = &scene.faults;
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

impl Scene {
    async fn new(pair: Pair) -> Self {
        let program = env!("CARGO_BIN_EXE_bellbuoy");
        let debug = "info,bellbuoy=debug,api=debug,shared=debug,worker=debug,scheduler=debug,\
                     bellbuoy_api=debug,bellbuoy_shared=debug,bellbuoy_worker=debug,bellbuoy_scheduler=debug";
        let served = Served::start(program, pair, &[Role::Up], |cluster| {
            cluster.set("LOG_FILTER", debug);
            cluster.set("LOG_FORMAT", "json");
        })
        .await;
        let document = served.front.get(&Caller::nobody(), "/api/v1/openapi.json").await;
        assert_eq!(document.status, 200, "{document:?}");
        let surface = Surface::read(&document.body);
        let tail = uuid::Uuid::new_v4().simple().to_string();
        let (canary, budgie) = (format!("canary{}", &tail[..8]), format!("budgie{}", &tail[..8]));
        let a = Filled::new(&served, &surface, &canary, &format!("first-{canary}")).await;
        let b = Filled::new(&served, &surface, &budgie, &format!("second-{budgie}")).await;
        let mut needles = vec![(canary, "the canary".to_owned())];
        for (place, id) in &a.words.ids {
            // What stands in both is of neither.
            if b.words.ids.get(place) != Some(id) {
                needles.push((id.clone(), place.clone()));
            }
        }
        Self { served, surface, a, b, needles, faults: Vec::new() }
    }

    /// Waits until what is asked about the events of the first project is answered as it will be afterwards.
    async fn all_is_evaluated_and_sent(&self) {
        let store = &self.served.store;
        let idle = async || {
            let now = domain::clock::Clock::System.now();
            store.is_idle(now).await.expect("the store answers")
        };
        self.served.until("the end of all work", idle).await;
    }

    fn fault(&mut self, text: String) {
        self.faults.push(text);
    }

    /// Notes when an answer to the second project shows something of the first that was not in what was sent.
    fn judge(&mut self, what: &str, sent: &str, reply: &Reply) {
        let text = reply.text();
        let seen = self.needles.iter().filter(|(needle, _)| text.contains(needle.as_str()));
        let seen = seen.filter(|(needle, _)| !sent.contains(needle.as_str()));
        let faults: Vec<String> =
            seen.map(|(needle, name)| format!("{what} shows {name} ({needle}): {text}")).collect();
        self.faults.extend(faults);
        if reply.status >= 500 {
            self.fault(format!("{what} fails: {text}"));
        }
    }

    /// Everybody of the second project who has a way to an operation.
    fn attackers(&self, operation: &Operation) -> Vec<(&'static str, Caller)> {
        let same = Caller::token(&self.b.key.headers[0].1);
        let all = [
            ("bearer", "a person", &self.b.admin),
            ("api_key", "a key", &self.b.key),
            ("api_key_as_bearer", "a key as bearer", &same),
        ];
        let able = all.into_iter().filter(|(scheme, ..)| operation.takes(scheme));
        able.map(|(_, name, caller)| (name, caller.clone())).collect()
    }

    fn front(&self) -> Front {
        self.served.front.clone()
    }

    /// The operations that only read.
    fn questions(&self) -> Vec<Operation> {
        self.surface.operations.iter().filter(|one| one.reads()).cloned().collect()
    }
}
