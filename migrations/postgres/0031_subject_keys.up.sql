CREATE TABLE subject_keys (
    project_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    secret bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, subject_id)
);
