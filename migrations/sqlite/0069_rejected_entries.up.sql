CREATE TABLE rejected_entries (
    project_id BLOB NOT NULL,
    id BLOB NOT NULL,
    intake INTEGER NOT NULL,
    entry_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    body BLOB NOT NULL,
    size INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    PRIMARY KEY (project_id, id),
    FOREIGN KEY (project_id) REFERENCES projects (id)
) STRICT;

CREATE INDEX rejected_entries_age ON rejected_entries (received_at);
