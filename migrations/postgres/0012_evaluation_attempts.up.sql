CREATE TABLE evaluation_attempts (
    project_id uuid NOT NULL,
    event_id uuid NOT NULL,
    attempts bigint NOT NULL,
    error text NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, event_id)
);
