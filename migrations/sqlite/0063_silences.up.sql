CREATE TABLE silences (
    project_id BLOB NOT NULL,
    id BLOB NOT NULL,
    body TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_by BLOB,
    ended_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (project_id, id),
    FOREIGN KEY (project_id) REFERENCES projects (id)
) STRICT, WITHOUT ROWID;
