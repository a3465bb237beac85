CREATE TABLE refresh_tokens (
    project_id binary(16) NOT NULL,
    session_id binary(16) NOT NULL,
    token_hash varbinary(32) NOT NULL,
    created_at datetime(6) NOT NULL,
    used_at datetime(6),
    PRIMARY KEY (project_id, session_id, token_hash),
    FOREIGN KEY (project_id, session_id) REFERENCES sessions (project_id, id) ON DELETE CASCADE
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
