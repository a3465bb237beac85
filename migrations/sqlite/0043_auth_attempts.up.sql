CREATE TABLE auth_attempts (
    project_id BLOB NOT NULL,
    kind INTEGER NOT NULL,
    source_hash BLOB NOT NULL,
    since INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    PRIMARY KEY (project_id, kind, source_hash)
) STRICT, WITHOUT ROWID;

CREATE INDEX auth_attempts_since ON auth_attempts (since);
