CREATE TABLE audit_checkpoints (
    project_id uuid NOT NULL,
    seq bigint NOT NULL,
    hash bytea NOT NULL,
    at timestamptz NOT NULL,
    signature bytea NOT NULL,
    PRIMARY KEY (project_id)
);
