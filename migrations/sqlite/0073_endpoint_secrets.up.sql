CREATE TABLE endpoint_secrets (
    project_id BLOB NOT NULL,
    endpoint_id BLOB NOT NULL,
    secret BLOB NOT NULL,
    ends_at INTEGER NOT NULL,
    PRIMARY KEY (project_id, endpoint_id),
    FOREIGN KEY (project_id, endpoint_id) REFERENCES webhook_endpoints (project_id, id)
) STRICT, WITHOUT ROWID;
