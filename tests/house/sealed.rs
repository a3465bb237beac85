//! Everything that is sealed is walked when the sealing key is rotated.

use store::sealed::Column;

use super::migrations::names;
use super::sources::read;

/// Columns of bytes that the sealing key has nothing to do with, and why.
const OTHERS: [(&str, &str); 30] = [
    ("api_keys.secret_hash", "a hash"),
    ("audit.origin", "sealed with a person's own key"),
    ("audit.personal", "sealed with a person's own key"),
    ("audit_chain.hash", "a hash"),
    ("audit_checkpoints.hash", "a hash"),
    ("auth_attempts.source_hash", "a hash"),
    ("backup_codes.code_hash", "a hash"),
    ("dead_jobs.body", "names of rows"),
    ("due.data", "numbers of an attempt"),
    ("email_changes.token_hash", "a hash"),
    ("events.payload", "the producer's"),
    ("idempotency_keys.body_hash", "a hash"),
    ("idempotency_keys.key_hash", "a hash"),
    ("invitations.token_hash", "a hash"),
    ("job_leases.jobs", "names of rows"),
    ("jobs.body", "names of rows"),
    ("mails.address", "a keyed hash, good for an hour"),
    ("one_time_tokens.token_hash", "a hash"),
    ("push_tokens.device", "sealed with a person's own key"),
    ("push_tokens.token", "sealed with a person's own key"),
    ("push_tokens.token_hash", "a hash"),
    ("refresh_tokens.token_hash", "a hash"),
    ("rejected_entries.body", "the producer's"),
    ("registrations.token_hash", "a hash"),
    ("rule_groups.group_hash", "a hash"),
    ("alerts.group_hash", "a hash"),
    ("sessions.device", "a hash"),
    ("sessions.origin", "sealed with a person's own key"),
    ("users.phone_hash", "a hash keyed with a key of the project"),
    ("users.profile", "sealed with a person's own key"),
];

/// The columns of bytes of all tables, as PostgreSQL has them.
fn columns() -> Vec<String> {
    let mut found = Vec::new();
    for name in names("postgres", "up") {
        let text = read(&format!("migrations/postgres/{name}.up.sql"));
        let (_, table) = name.split_once('_').expect("a number");
        for line in text.lines() {
            let mut words = line.split_whitespace();
            if let (Some(column), Some(kind)) = (words.next(), words.next())
                && kind.trim_end_matches(',') == "bytea"
            {
                found.push(format!("{table}.{column}"));
            }
        }
    }
    found
}

#[test]
fn every_sealed_column_is_walked() {
    let walked: Vec<&str> = Column::ALL.iter().map(|one| one.as_str()).collect();
    let columns = columns();
    for column in &columns {
        let is_walked = walked.contains(&column.as_str());
        let is_other = OTHERS.iter().any(|(name, _)| name == column);
        assert!(
            is_walked != is_other,
            "{column}: sealed with the sealing key it belongs into shared/store/src/sealed.rs, else into OTHERS here"
        );
    }
    for name in walked.into_iter().chain(OTHERS.iter().map(|(name, _)| *name)) {
        assert!(columns.iter().any(|column| column == name), "{name} is no column");
    }
}
