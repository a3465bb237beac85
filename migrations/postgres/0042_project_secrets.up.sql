CREATE TABLE project_secrets (
    project_id uuid NOT NULL,
    field text NOT NULL,
    secret bytea NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, field),
    FOREIGN KEY (project_id) REFERENCES projects (id)
);
