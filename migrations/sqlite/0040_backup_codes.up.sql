CREATE TABLE backup_codes (
    project_id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    code_hash BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    used_at INTEGER,
    PRIMARY KEY (project_id, user_id, code_hash),
    FOREIGN KEY (project_id, user_id) REFERENCES users (project_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
