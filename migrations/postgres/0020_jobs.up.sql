CREATE TABLE jobs (
    queue smallint NOT NULL,
    project_id uuid NOT NULL,
    id uuid NOT NULL,
    attempts bigint NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (queue, project_id, id)
);
