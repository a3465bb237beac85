CREATE TABLE second_factors (
    project_id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    secret BLOB NOT NULL,
    last_step INTEGER NOT NULL,
    confirmed_at INTEGER,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (project_id, user_id),
    FOREIGN KEY (project_id, user_id) REFERENCES users (project_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
