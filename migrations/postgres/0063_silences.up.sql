CREATE TABLE silences (
    project_id uuid NOT NULL,
    id uuid NOT NULL,
    body jsonb NOT NULL,
    version bigint NOT NULL,
    created_by uuid,
    ended_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, id),
    FOREIGN KEY (project_id) REFERENCES projects (id)
);
