//! What the second project tries through the API.

use std::collections::BTreeMap;

use bellbuoy_harness::Caller;
use bellbuoy_harness::account::PASSWORD;
use bellbuoy_harness::front::Reply;
use bellbuoy_harness::surface::Operation;
use serde_json::{Value, json};

use super::Scene;

/// Fields that change by looking: when a key, a session or an account was last used.
const RESTLESS: [&str; 5] =
    ["last_used_at", "used_at", "request_id", "last_login_at", "last_seen_at"];

/// What answers about the first project hold.
pub type Answers = BTreeMap<String, Value>;

impl Scene {
    /// The answers of all that can be asked of the first project by its own admin.
    pub async fn what_the_first_has(&mut self) -> Answers {
        let front = self.front();
        let mut answers = BTreeMap::new();
        for operation in self.questions() {
            let (path, caller) =
                (operation.at(&self.a.values(&operation)), self.a.caller(&operation));
            let reply = front.get(&caller, &path).await;
            if reply.status == 200 {
                let mut json = reply.json();
                calm(&mut json);
                answers.insert(operation.id.clone(), json);
            } else if reply.status != 403 {
                self.fault(format!("{} answers the first project {reply:?}", operation.title()));
            }
        }
        answers
    }

    /// What the first project has, as far as it does not change by looking: some looks are written down themselves.
    pub async fn what_stays(&mut self) -> Answers {
        let first = self.what_the_first_has().await;
        let mut second = self.what_the_first_has().await;
        second.retain(|id, json| first.get(id) == Some(json));
        second
    }

    /// Looking for something that is nowhere would find nothing.
    pub fn the_first_is_full(&mut self, answers: &Answers) {
        let canary = &self.a.words.canary;
        let holds = |json: &Value| json.to_string().contains(canary.as_str());
        let (full, empty): (Vec<_>, Vec<_>) = answers.iter().partition(|(_, json)| holds(json));
        let empty: Vec<&String> = empty.into_iter().map(|(id, _)| id).collect();
        println!("answers without the canary: {empty:?}");
        if full.len() < answers.len() / 2 {
            self.fault(format!("of {} answers only {} hold the canary", answers.len(), full.len()));
        }
    }

    /// What the second project asks about itself is answered, and has nothing of the first.
    pub async fn the_second_sees_its_own_alone(&mut self) {
        let front = self.front();
        for operation in self.questions() {
            let path = operation.at(&self.b.values(&operation));
            let (theirs, them) =
                (operation.at(&self.a.values(&operation)), self.a.caller(&operation));
            let own = front.get(&them, &theirs).await.status;
            let limit = operation.query.iter().any(|(name, _)| name == "limit");
            let mut paths = vec![path.clone()];
            if limit {
                paths.push(format!("{path}?limit=200"));
            }
            for path in paths {
                for (who, caller) in self.attackers(&operation) {
                    let reply = front.get(&caller, &path).await;
                    let title = format!("{} by {who}", operation.title());
                    self.judge(&title, &path, &reply);
                    if who == "a person" && reply.status != own {
                        self.fault(format!("{title} answers {reply:?}, and the first {own}"));
                    }
                }
            }
        }
    }

    /// An operation on something of the first project answers as one on something that is nowhere.
    pub async fn foreign_is_like_missing(&mut self) {
        for operation in self.surface.operations.clone() {
            let (foreign, own) = (self.a.values(&operation), self.b.values(&operation));
            if foreign == own {
                continue;
            }
            // With the things of one's own in front as well: a foreign one below one's own is foreign too.
            for own_ones in 0..foreign.len() {
                // What every project has, such as a first version, is foreign to nobody.
                if foreign[own_ones..] == own[own_ones..] {
                    continue;
                }
                let values = |rest: &[String]| [&own[..own_ones], &rest[own_ones..]].concat();
                let missing = |(value, own): (&String, &String)| {
                    if value == own { value.clone() } else { like(value) }
                };
                let nowhere: Vec<String> = foreign.iter().zip(&own).map(missing).collect();
                let (theirs, missing) = (values(&foreign), values(&nowhere));
                for (who, caller) in self.attackers(&operation) {
                    let there = self.attempt(&caller, &operation, &theirs).await;
                    let nowhere = self.attempt(&caller, &operation, &missing).await;
                    let title = format!("{} of something foreign by {who}", operation.title());
                    self.judge(&title, &theirs.concat(), &there);
                    if !matches!(there.status, 403 | 404) {
                        self.fault(format!("{title} answers {there:?}"));
                    }
                    if plain(&there, &theirs) != plain(&nowhere, &missing) {
                        self.fault(format!(
                            "{title} answers {there:?}, and if it is nowhere {nowhere:?}"
                        ));
                    }
                }
            }
        }
    }

    async fn attempt(&self, caller: &Caller, operation: &Operation, values: &[String]) -> Reply {
        let body = operation.body.as_ref().map(|(media_type, _)| {
            (media_type.as_str(), self.b.words.sent.get(&operation.id).cloned().unwrap_or_default())
        });
        self.served.front.call(caller, &operation.method, &operation.at(values), body).await
    }

    /// The slug of the first project in a path answers as one that nobody has.
    pub async fn a_foreign_slug_is_like_none(&mut self) {
        for operation in self.surface.operations.clone() {
            let [place] = &operation.places()[..] else { continue };
            if place.key() != "projects/{project}" {
                continue;
            }
            let (theirs, nobodys) = (self.a.words.slug.clone(), like("a slug"));
            for (who, caller) in self.attackers(&operation) {
                let there = self.attempt(&caller, &operation, std::slice::from_ref(&theirs)).await;
                let none = self.attempt(&caller, &operation, std::slice::from_ref(&nobodys)).await;
                let title = format!("{} by the slug of the first by {who}", operation.title());
                self.judge(&title, &theirs, &there);
                if !matches!(there.status, 403 | 404) || there.code() != none.code() {
                    self.fault(format!("{title} answers {there:?}, and one of nobody {none:?}"));
                }
            }
        }
    }

    /// The ids of what the first project has, but for those that the second has as well, such as a first version.
    fn ids_of_the_first(&self) -> Vec<String> {
        let own: Vec<&String> = self.b.words.ids.values().collect();
        self.a.words.ids.values().filter(|id| !own.contains(id)).cloned().collect()
    }

    /// A body that refers to something of the first project is refused as if that were nowhere.
    pub async fn references_to_foreign_things_are_like_missing_ones(&mut self) {
        let front = self.front();
        let ids = self.ids_of_the_first();
        for operation in self.surface.operations.clone() {
            let Some((media_type, schema)) = &operation.body else { continue };
            let schema = self.surface.resolve(schema);
            let fields = schema["properties"].as_object().cloned().unwrap_or_default();
            let refers = |(name, property): (String, Value)| {
                (self.surface.resolve(&property)["format"] == "uuid").then_some(name)
            };
            let fields: Vec<String> = fields.into_iter().filter_map(refers).collect();
            let path = operation.at(&self.b.values(&operation));
            let sent = self.b.words.sent.get(&operation.id).cloned().unwrap_or_default();
            let Ok(body) = serde_json::from_str::<Value>(&sent) else { continue };
            for (field, id) in fields.iter().flat_map(|field| ids.iter().map(move |id| (field, id)))
            {
                for (who, caller) in self.attackers(&operation) {
                    let mut replies = Vec::new();
                    for id in [id.clone(), like(id)] {
                        let mut body = body.clone();
                        body[field] = json!(id);
                        let text = Some((media_type.as_str(), body.to_string()));
                        let reply = front.call(&caller, &operation.method, &path, text).await;
                        replies.push((plain(&reply, std::slice::from_ref(&id)), reply));
                    }
                    let title = format!("{} with a foreign {field} by {who}", operation.title());
                    self.judge(&title, id, &replies[0].1);
                    if replies[0].0 != replies[1].0 || replies[0].1.is_success() {
                        self.fault(format!("{title} answers {replies:?}"));
                    }
                }
            }
        }
    }

    /// No filter reaches beyond the project, and no cursor of the first opens a list to the second.
    pub async fn filters_and_cursors_find_nothing_foreign(&mut self) {
        let front = self.front();
        let (canary, ids) = (self.a.words.canary.clone(), self.ids_of_the_first());
        for operation in self.questions() {
            let path = operation.at(&self.b.values(&operation));
            let theirs = operation.at(&self.a.values(&operation));
            let names: Vec<&String> = operation.query.iter().map(|(name, _)| name).collect();
            let mut questions: Vec<(&str, String)> = Vec::new();
            for name in names.iter().filter(|name| !matches!(name.as_str(), "limit" | "cursor")) {
                questions.push((name, canary.clone()));
                questions.extend(ids.iter().map(|id| (name.as_str(), id.clone())));
            }
            if names.iter().any(|name| *name == "cursor") {
                let first =
                    front.get(&self.a.caller(&operation), &format!("{theirs}?limit=1")).await;
                if let Some(cursor) = first.json()["next_cursor"].as_str() {
                    questions.push(("cursor", cursor.to_owned()));
                }
            }
            for (name, value) in questions {
                for (who, caller) in self.attackers(&operation) {
                    let reply = front.get(&caller, &format!("{path}?{name}={value}")).await;
                    let title =
                        format!("{} with the first one's {name} by {who}", operation.title());
                    self.judge(&title, &value, &reply);
                    // What was asked for may come back in a refusal, not in a list.
                    if reply.status == 200 && (name == "cursor" || reply.body.contains(&value)) {
                        self.fault(format!("{title} = {value} answers {reply:?}"));
                    }
                }
            }
        }
    }

    /// Keys, tokens and headers of two projects do not go together.
    pub async fn two_projects_in_one_request_are_refused(&mut self) {
        let (slug, id) = (self.a.words.slug.clone(), self.a.project.to_string());
        let (foreign_key, foreign_token) = (self.a.key.clone(), self.a.admin.clone());
        let join = |one: &Caller, other: &Caller| Caller {
            headers: [&one.headers[..], &other.headers[..]].concat(),
        };
        let both = [
            ("the name of the first", self.b.admin.with("x-project", &slug)),
            ("the id of the first", self.b.key.with("x-project", &id)),
            ("a key of the first", join(&self.b.admin, &foreign_key)),
            ("a token of the first", join(&self.b.key, &foreign_token)),
        ];
        for operation in self.surface.operations.clone() {
            let values = self.a.values(&operation);
            for (with, caller) in &both {
                let reply = self.attempt(caller, &operation, &values).await;
                let title = format!("{} with {with}", operation.title());
                self.judge(&title, &values.concat(), &reply);
                if reply.code() != "project_mismatch" {
                    self.fault(format!("{title} answers {reply:?}"));
                }
            }
        }
    }

    /// What anybody may ask tells the second nothing of the first, and lets nobody of it into the first.
    pub async fn open_operations_tell_nothing(&mut self) {
        let front = self.front();
        let (slug, email) = (self.a.words.slug.clone(), self.b.email.clone());
        if front.log_in(&slug, &email, PASSWORD).await.is_some() {
            self.fault("the second one's admin logs in to the first".to_owned());
        }
        for operation in self.surface.operations.clone().iter().filter(|one| one.is_open()) {
            let Some((media_type, _)) = &operation.body else { continue };
            let sent = self.b.words.sent.get(&operation.id).cloned().unwrap_or_default();
            let Ok(mut body) = serde_json::from_str::<Value>(&sent) else { continue };
            for (field, value) in [("project", &slug), ("email", &self.a.email.clone())] {
                if body.get(field).is_some() {
                    body[field] = json!(value);
                }
            }
            if body.get("password").is_some() {
                body["password"] = json!("not the password of anybody");
            }
            let text = body.to_string();
            let path = operation.at(&self.b.values(operation));
            let sent = Some((media_type.as_str(), text.clone()));
            let reply = front.call(&Caller::nobody(), &operation.method, &path, sent).await;
            self.judge(&format!("{} by nobody", operation.title()), &text, &reply);
        }
    }

    /// Whatever was tried, the first project is as it was.
    pub fn nothing_has_changed(&mut self, before: &Answers, after: &Answers) {
        for (id, was) in before {
            let is = after.get(id);
            // Nobody needs the whole of two lists to see what is wrong.
            if is != Some(was) {
                self.fault(format!("{id} answered {was} before, and {is:?} after"));
            }
        }
    }
}

/// Something of the same form that is nowhere.
fn like(value: &str) -> String {
    match uuid::Uuid::parse_str(value) {
        Ok(_) => uuid::Uuid::now_v7().to_string(),
        Err(_) => format!("nothing{}", &uuid::Uuid::new_v4().simple().to_string()[..8]),
    }
}

/// An answer without what it was asked about and without what names the request.
fn plain(reply: &Reply, values: &[String]) -> (u16, String) {
    let mut json = reply.json();
    calm(&mut json);
    let mut text = json.to_string();
    for value in values {
        text = text.replace(value, "it");
    }
    (reply.status, text)
}

fn calm(json: &mut Value) {
    match json {
        Value::Object(fields) => {
            fields.retain(|name, _| !RESTLESS.contains(&name.as_str()));
            fields.values_mut().for_each(calm);
        }
        Value::Array(items) => items.iter_mut().for_each(calm),
        _ => {}
    }
}
