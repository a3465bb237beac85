CREATE TABLE audit_chain (
    project_id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    audit_id BLOB NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (project_id, seq),
    UNIQUE (project_id, audit_id)
) STRICT, WITHOUT ROWID;
