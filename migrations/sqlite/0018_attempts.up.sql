CREATE TABLE attempts (
    project_id BLOB NOT NULL,
    delivery_id BLOB NOT NULL,
    number INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    status_code INTEGER,
    detail TEXT,
    started_at INTEGER NOT NULL,
    took_ms INTEGER NOT NULL,
    PRIMARY KEY (project_id, delivery_id, number)
) STRICT, WITHOUT ROWID;
