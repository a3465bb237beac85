CREATE TABLE api_keys (
    project_id binary(16) NOT NULL,
    id binary(16) NOT NULL,
    name varchar(255) NOT NULL,
    prefix varchar(255) NOT NULL,
    secret_hash varbinary(32) NOT NULL,
    scopes text NOT NULL,
    expires_at datetime(6),
    revoked_at datetime(6),
    last_used_at datetime(6),
    created_at datetime(6) NOT NULL,
    PRIMARY KEY (project_id, id),
    UNIQUE (prefix),
    FOREIGN KEY (project_id) REFERENCES projects (id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
