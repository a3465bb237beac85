CREATE TABLE subject_keys (
    project_id BLOB NOT NULL,
    subject_id BLOB NOT NULL,
    secret BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (project_id, subject_id)
) STRICT, WITHOUT ROWID;
