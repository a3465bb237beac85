CREATE TABLE job_leases (
    queue INTEGER NOT NULL,
    id BLOB NOT NULL,
    until INTEGER NOT NULL,
    jobs BLOB NOT NULL,
    PRIMARY KEY (queue, id)
) STRICT;
