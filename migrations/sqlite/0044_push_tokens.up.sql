CREATE TABLE push_tokens (
    project_id BLOB NOT NULL,
    id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    platform INTEGER NOT NULL,
    token_hash BLOB NOT NULL,
    token BLOB NOT NULL,
    device BLOB,
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, token_hash),
    FOREIGN KEY (project_id, user_id) REFERENCES users (project_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX push_tokens_user ON push_tokens (project_id, user_id);
