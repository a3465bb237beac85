CREATE TABLE users (
    project_id BLOB NOT NULL,
    id BLOB NOT NULL,
    email TEXT NOT NULL,
    full_name TEXT NOT NULL,
    status INTEGER NOT NULL,
    password_hash TEXT,
    failed_logins INTEGER NOT NULL,
    locked_until INTEGER,
    email_verified_at INTEGER,
    last_login_at INTEGER,
    live BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, email, live),
    FOREIGN KEY (project_id) REFERENCES projects (id)
) STRICT, WITHOUT ROWID;
