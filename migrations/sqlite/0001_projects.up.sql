CREATE TABLE projects (
    id BLOB NOT NULL,
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    status INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    access_epoch INTEGER NOT NULL,
    live BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER,
    PRIMARY KEY (id),
    UNIQUE (slug, live),
    UNIQUE (name, live)
) STRICT, WITHOUT ROWID;
