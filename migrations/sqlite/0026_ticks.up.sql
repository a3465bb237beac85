CREATE TABLE ticks (
    project_id BLOB NOT NULL,
    id BLOB NOT NULL,
    schedule_id BLOB NOT NULL,
    due_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    outcome TEXT,
    PRIMARY KEY (project_id, id)
) STRICT, WITHOUT ROWID;
