CREATE TABLE alert_entries (
    project_id BLOB NOT NULL,
    alert_id BLOB NOT NULL,
    id BLOB NOT NULL,
    change_kind INTEGER NOT NULL,
    at INTEGER NOT NULL,
    user_id BLOB,
    event_id BLOB,
    until INTEGER,
    PRIMARY KEY (project_id, alert_id, id)
) STRICT, WITHOUT ROWID;
