CREATE TABLE event_types (
    project_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    mode smallint NOT NULL,
    version bigint NOT NULL,
    revision bigint NOT NULL,
    deprecated_at timestamptz,
    created_by uuid,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, name),
    FOREIGN KEY (project_id) REFERENCES projects (id)
);
