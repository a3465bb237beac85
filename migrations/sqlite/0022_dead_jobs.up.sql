CREATE TABLE dead_jobs (
    project_id BLOB NOT NULL,
    id BLOB NOT NULL,
    queue INTEGER NOT NULL,
    body BLOB NOT NULL,
    error TEXT NOT NULL,
    died_at INTEGER NOT NULL,
    PRIMARY KEY (project_id, id)
) STRICT;
