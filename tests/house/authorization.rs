//! Who may do what: the page has a row for each operation, and no other. What stands in the rows is held to the running
//! product by `tests/authorization.rs`, which also writes them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::pages::{code, table};
use super::sources::{none, read};

const PAGE: &str = "docs/users/authorization.md";

#[test]
fn every_operation_says_who_may() {
    let document: Value = serde_json::from_str(&api::openapi()).expect("JSON");
    let mut operations = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        let methods = methods.as_object().expect("methods").keys();
        operations.extend(methods.map(|method| format!("{} {path}", method.to_uppercase())));
    }
    let rows: BTreeSet<String> =
        table(&read(PAGE), "operation").iter().map(|row| code(&row[0]).to_owned()).collect();
    let missing = operations.difference(&rows).map(|one| format!("{one} has no row"));
    let left = rows.difference(&operations).map(|one| format!("{one} is no operation"));
    none(
        &format!(
            "{PAGE} has each operation; BELLBUOY_TEST_UPDATE=1 cargo test --test authorization writes its table"
        ),
        &missing.chain(left).collect::<Vec<_>>(),
    );
}
