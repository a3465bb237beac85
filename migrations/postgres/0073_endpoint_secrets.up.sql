CREATE TABLE endpoint_secrets (
    project_id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    secret bytea NOT NULL,
    ends_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, endpoint_id),
    FOREIGN KEY (project_id, endpoint_id) REFERENCES webhook_endpoints (project_id, id)
);
