CREATE TABLE evaluation_attempts (
    project_id BLOB NOT NULL,
    event_id BLOB NOT NULL,
    attempts INTEGER NOT NULL,
    error TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (project_id, event_id)
) STRICT, WITHOUT ROWID;
