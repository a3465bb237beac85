CREATE TABLE users (
    project_id uuid NOT NULL,
    id uuid NOT NULL,
    email text NOT NULL,
    full_name text NOT NULL,
    status smallint NOT NULL,
    password_hash text,
    failed_logins bigint NOT NULL,
    locked_until timestamptz,
    email_verified_at timestamptz,
    last_login_at timestamptz,
    live uuid NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, email, live),
    FOREIGN KEY (project_id) REFERENCES projects (id)
);
