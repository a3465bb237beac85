CREATE TABLE recipients (
    project_id BLOB NOT NULL,
    notification_id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    role TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (project_id, notification_id, user_id)
) STRICT, WITHOUT ROWID;
