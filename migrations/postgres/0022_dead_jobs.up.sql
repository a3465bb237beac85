CREATE TABLE dead_jobs (
    project_id uuid NOT NULL,
    id uuid NOT NULL,
    queue smallint NOT NULL,
    body bytea NOT NULL,
    error text NOT NULL,
    died_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, id)
);
