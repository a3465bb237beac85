CREATE TABLE jobs (
    queue INTEGER NOT NULL,
    project_id BLOB NOT NULL,
    id BLOB NOT NULL,
    attempts INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (queue, project_id, id)
) STRICT;
