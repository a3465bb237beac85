CREATE TABLE seal_probe (
    project_id BLOB NOT NULL,
    value BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (project_id)
) STRICT, WITHOUT ROWID;
