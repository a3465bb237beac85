CREATE TABLE job_leases (
    queue smallint NOT NULL,
    id uuid NOT NULL,
    until timestamptz NOT NULL,
    jobs bytea NOT NULL,
    PRIMARY KEY (queue, id)
) WITH (fillfactor = 50);
