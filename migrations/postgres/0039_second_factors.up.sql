CREATE TABLE second_factors (
    project_id uuid NOT NULL,
    user_id uuid NOT NULL,
    secret bytea NOT NULL,
    last_step bigint NOT NULL,
    confirmed_at timestamptz,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, user_id),
    FOREIGN KEY (project_id, user_id) REFERENCES users (project_id, id) ON DELETE CASCADE
);
