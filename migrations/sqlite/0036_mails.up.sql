CREATE TABLE mails (
    project_id BLOB NOT NULL,
    id BLOB NOT NULL,
    user_id BLOB,
    kind INTEGER NOT NULL,
    address BLOB NOT NULL,
    content BLOB,
    state INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    reason TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (project_id, id),
    FOREIGN KEY (project_id, user_id) REFERENCES users (project_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX mails_user ON mails (project_id, user_id);
CREATE INDEX mails_address ON mails (project_id, address, created_at);
