CREATE TABLE evaluations (
    project_id BLOB NOT NULL,
    id BLOB NOT NULL,
    run BLOB NOT NULL,
    status INTEGER NOT NULL,
    ruleset INTEGER NOT NULL,
    looked INTEGER NOT NULL,
    matched INTEGER NOT NULL,
    evaluated_at INTEGER NOT NULL,
    error TEXT,
    PRIMARY KEY (project_id, id)
) STRICT, WITHOUT ROWID;
