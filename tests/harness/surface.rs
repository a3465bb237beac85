//! The API as its own document describes it: its operations, and a request for each, built from what the document says.
//!
//! What the document can't say is in two tables: `BODIES` in `surface/bodies.rs` and `PLACES` in `surface/filled.rs`.

pub mod bodies;
pub mod filled;

use reqwest::Method;
use serde_json::Value;

pub use filled::Filled;

/// All operations.
pub struct Surface {
    /// In the order of the document.
    pub operations: Vec<Operation>,
    document: Value,
}

/// One operation.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its id.
    pub id: String,
    /// Its method.
    pub method: Method,
    /// Its path, with names in braces.
    pub path: String,
    /// The schemes by which its callers prove who they are; none when it is for anybody.
    pub schemes: Vec<String>,
    /// The names and schemas of what may stand in its query.
    pub query: Vec<(String, Value)>,
    /// The media type and schema of its body.
    pub body: Option<(String, Value)>,
}

/// A parameter in a path: the path before it, and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The path before it, like `/api/v1/users`.
    pub prefix: String,
    /// Its name.
    pub name: String,
}

impl Place {
    /// How the tables write it, like `users/{id}`.
    pub fn key(&self) -> String {
        let word = self.prefix.rsplit('/').next().unwrap_or_default();
        format!("{word}/{{{}}}", self.name)
    }
}

impl Operation {
    /// Its method and path, as the document writes them.
    pub fn title(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Whether it only reads.
    pub fn reads(&self) -> bool {
        self.method == Method::GET
    }

    /// Whether it is for anybody.
    pub fn is_open(&self) -> bool {
        self.schemes.is_empty()
    }

    /// Whether callers of this scheme have a way to it.
    pub fn takes(&self, scheme: &str) -> bool {
        self.schemes.iter().any(|one| one == scheme)
    }

    /// The parameters in its path, in order.
    pub fn places(&self) -> Vec<Place> {
        let words: Vec<&str> = self.path.split('/').collect();
        let place = |(at, word): (usize, &&str)| {
            let name = word.strip_prefix('{')?.strip_suffix('}')?.to_owned();
            Some(Place { prefix: words[..at].join("/"), name })
        };
        words.iter().enumerate().filter_map(place).collect()
    }

    /// Its path, with values for the parameters in it.
    pub fn at(&self, values: &[String]) -> String {
        let mut path = self.path.clone();
        for (place, value) in self.places().iter().zip(values) {
            path = path.replacen(&format!("{{{}}}", place.name), value, 1);
        }
        path
    }
}

impl Surface {
    /// Reads a document.
    pub fn read(document: &str) -> Self {
        let document: Value = serde_json::from_str(document).expect("JSON");
        let mut operations = Vec::new();
        for (path, methods) in document["paths"].as_object().expect("paths") {
            for (method, operation) in methods.as_object().expect("methods") {
                operations.push(Operation::read(path, method, operation));
            }
        }
        assert!(!operations.is_empty(), "the document has no operations");
        Self { operations, document }
    }

    /// The operation of that id.
    pub fn by_id(&self, id: &str) -> Option<&Operation> {
        self.operations.iter().find(|one| one.id == id)
    }

    /// The operation with that method and path.
    pub fn find(&self, method: &Method, path: &str) -> Option<&Operation> {
        self.operations.iter().find(|one| one.method == *method && one.path == path)
    }

    /// Every parameter in a path, each once, those of shorter paths first.
    pub fn places(&self) -> Vec<Place> {
        let mut all: Vec<Place> = self.operations.iter().flat_map(Operation::places).collect();
        all.sort_by_key(|place| (place.prefix.matches('/').count(), place.clone()));
        all.dedup();
        all
    }

    /// A schema, with what it refers to in its place.
    pub fn resolve(&self, schema: &Value) -> Value {
        if let Some(path) = schema["$ref"].as_str() {
            let pointer = path.trim_start_matches('#');
            return self.resolve(self.document.pointer(pointer).unwrap_or(&Value::Null));
        }
        match schema["allOf"].as_array() {
            Some(all) => self.resolve(all.first().unwrap_or(&Value::Null)),
            None => schema.clone(),
        }
    }
}

impl Operation {
    fn read(path: &str, method: &str, operation: &Value) -> Self {
        let title = format!("{method} {path}");
        let list = |name: &str| operation[name].as_array().cloned().unwrap_or_default();
        let schemes = list("security").into_iter().filter_map(|one| one.as_object().cloned());
        let query = list("parameters").into_iter().filter(|one| one["in"] == "query");
        let content = operation["requestBody"]["content"].as_object();
        // Of several types the one that most operations take.
        let body = content.and_then(|content| {
            content.get_key_value("application/json").or_else(|| content.iter().next())
        });
        Self {
            id: operation["operationId"].as_str().unwrap_or(&title).to_owned(),
            method: method.to_uppercase().parse().expect("a method"),
            path: path.to_owned(),
            schemes: schemes.flat_map(|one| one.keys().cloned().collect::<Vec<_>>()).collect(),
            query: query
                .map(|one| {
                    (one["name"].as_str().expect("a name").to_owned(), one["schema"].clone())
                })
                .collect(),
            body: body.map(|(media_type, one)| (media_type.clone(), one["schema"].clone())),
        }
    }
}
