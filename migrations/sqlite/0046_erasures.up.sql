CREATE TABLE erasures (
    project_id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    started_at INTEGER NOT NULL,
    PRIMARY KEY (project_id, user_id),
    FOREIGN KEY (project_id, user_id) REFERENCES users (project_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
