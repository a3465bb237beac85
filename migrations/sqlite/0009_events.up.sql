CREATE TABLE events (
    project_id BLOB NOT NULL,
    id BLOB NOT NULL,
    kind TEXT NOT NULL,
    source TEXT NOT NULL,
    payload BLOB NOT NULL,
    occurred_at INTEGER,
    received_at INTEGER NOT NULL,
    idempotency_key TEXT,
    correlation_id TEXT,
    replay_of BLOB,
    key_id BLOB,
    PRIMARY KEY (project_id, id)
) STRICT;
