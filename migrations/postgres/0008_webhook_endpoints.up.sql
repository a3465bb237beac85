CREATE TABLE webhook_endpoints (
    project_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    url text NOT NULL,
    secret bytea NOT NULL,
    active smallint NOT NULL,
    live uuid NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, name, live),
    FOREIGN KEY (project_id) REFERENCES projects (id)
);
