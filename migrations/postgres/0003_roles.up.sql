CREATE TABLE roles (
    project_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    permissions jsonb NOT NULL,
    parent_id uuid,
    built_in smallint NOT NULL,
    live uuid NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, name, live),
    FOREIGN KEY (project_id) REFERENCES projects (id)
);
