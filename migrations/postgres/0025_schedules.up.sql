CREATE TABLE schedules (
    project_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    task text NOT NULL,
    every_ms bigint NOT NULL,
    next_run_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, name)
);
