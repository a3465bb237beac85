CREATE TABLE audit_checkpoints (
    project_id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL,
    at INTEGER NOT NULL,
    signature BLOB NOT NULL,
    PRIMARY KEY (project_id)
) STRICT, WITHOUT ROWID;
