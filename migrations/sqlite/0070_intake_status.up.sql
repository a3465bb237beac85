CREATE TABLE intake_status (
    project_id BLOB NOT NULL,
    intake INTEGER NOT NULL,
    waiting INTEGER,
    pending INTEGER,
    accepted INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    last_entry_at INTEGER,
    last_error TEXT,
    last_error_at INTEGER,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (project_id, intake),
    FOREIGN KEY (project_id) REFERENCES projects (id)
) STRICT, WITHOUT ROWID;
