CREATE TABLE registrations (
    project_id BLOB NOT NULL,
    id BLOB NOT NULL,
    email TEXT NOT NULL,
    full_name TEXT NOT NULL,
    token_hash BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, email),
    FOREIGN KEY (project_id) REFERENCES projects (id)
) STRICT, WITHOUT ROWID;
