CREATE TABLE audit (
    project_id BLOB NOT NULL,
    id BLOB NOT NULL,
    at INTEGER NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id BLOB NOT NULL,
    action TEXT NOT NULL,
    resource_id BLOB NOT NULL,
    before_change TEXT,
    after_change TEXT,
    subject_id BLOB NOT NULL,
    personal BLOB,
    origin BLOB,
    correlation_id TEXT,
    PRIMARY KEY (project_id, id)
) STRICT, WITHOUT ROWID;
