CREATE TABLE audit_pending (
    project_id uuid NOT NULL,
    audit_id uuid NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (project_id, audit_id)
);
