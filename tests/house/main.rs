//! Are the rules of the house kept? Who may import whom, how files look, what may come in as a dependency, and whether
//! the documents say what the code does.
//!
//! Generated documents are written anew with `BELLBUOY_TEST_UPDATE=1 cargo test --test house`.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod authorization;
mod circles;
mod conditions;
mod documents;
mod events;
mod imports;
mod licences;
mod links;
mod migrations;
mod packaging;
mod pages;
mod personal;
mod schema;
mod sealed;
mod shape;
mod snippets;
mod sources;
mod words;
