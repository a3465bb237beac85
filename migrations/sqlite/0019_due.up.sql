CREATE TABLE due (
    project_id BLOB NOT NULL,
    kind INTEGER NOT NULL,
    row_id BLOB NOT NULL,
    at INTEGER NOT NULL,
    data BLOB,
    PRIMARY KEY (project_id, kind, row_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX due_at ON due (project_id, at);
