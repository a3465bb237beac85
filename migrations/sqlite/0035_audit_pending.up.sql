CREATE TABLE audit_pending (
    project_id BLOB NOT NULL,
    audit_id BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (project_id, audit_id)
) STRICT, WITHOUT ROWID;
