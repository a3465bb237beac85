//! Generated documents: what stands in the repository is what the code says.

use config::Config;

use super::sources::{read, root};

/// Compares a document with what it should say; writes it instead when the tests are told to.
pub fn check(path: &str, wanted: &str) {
    if std::env::var_os("BELLBUOY_TEST_UPDATE").is_some() {
        std::fs::write(root().join(path), wanted).unwrap_or_else(|error| panic!("{path}: {error}"));
        return;
    }
    let there = read(path);
    let differ = there.lines().zip(wanted.lines()).position(|(there, wanted)| there != wanted);
    let line = differ.unwrap_or(there.lines().count().min(wanted.lines().count())) + 1;
    assert!(
        there == wanted,
        "{path} is out of date from line {line} on; write it anew with BELLBUOY_TEST_UPDATE=1 cargo test --test house"
    );
}

#[test]
fn the_example_environment_is_current() {
    check(".env.example", &Config::env_example());
}

#[test]
fn the_configuration_reference_is_current() {
    check("docs/configuration.md", &Config::reference());
}

#[test]
fn the_openapi_document_is_current() {
    check("docs/openapi.json", &format!("{}\n", api::openapi().trim_end()));
}

#[test]
fn the_schema_page_is_current() {
    check("docs/schema.md", &super::schema::page());
}
