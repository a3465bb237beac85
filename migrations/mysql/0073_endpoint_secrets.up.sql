CREATE TABLE endpoint_secrets (
    project_id binary(16) NOT NULL,
    endpoint_id binary(16) NOT NULL,
    secret blob NOT NULL,
    ends_at datetime(6) NOT NULL,
    PRIMARY KEY (project_id, endpoint_id),
    FOREIGN KEY (project_id, endpoint_id) REFERENCES webhook_endpoints (project_id, id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
