CREATE TABLE registrations (
    project_id uuid NOT NULL,
    id uuid NOT NULL,
    email text NOT NULL,
    full_name text NOT NULL,
    token_hash bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, email),
    FOREIGN KEY (project_id) REFERENCES projects (id)
);
