CREATE TABLE audit (
    project_id uuid NOT NULL,
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    actor_kind text NOT NULL,
    actor_id uuid NOT NULL,
    action text NOT NULL,
    resource_id uuid NOT NULL,
    before_change jsonb,
    after_change jsonb,
    subject_id uuid NOT NULL,
    personal bytea,
    origin bytea,
    correlation_id text,
    PRIMARY KEY (project_id, id)
);
