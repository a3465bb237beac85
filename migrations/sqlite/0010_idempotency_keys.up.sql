CREATE TABLE idempotency_keys (
    project_id BLOB NOT NULL,
    operation INTEGER NOT NULL,
    key_hash BLOB NOT NULL,
    result BLOB NOT NULL,
    body_hash BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    answer BLOB,
    PRIMARY KEY (project_id, operation, key_hash)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);
