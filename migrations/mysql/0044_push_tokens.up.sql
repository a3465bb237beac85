CREATE TABLE push_tokens (
    project_id binary(16) NOT NULL,
    id binary(16) NOT NULL,
    user_id binary(16) NOT NULL,
    platform smallint NOT NULL,
    token_hash varbinary(32) NOT NULL,
    token blob NOT NULL,
    device blob,
    created_at datetime(6) NOT NULL,
    last_seen_at datetime(6) NOT NULL,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, token_hash),
    FOREIGN KEY (project_id, user_id) REFERENCES users (project_id, id) ON DELETE CASCADE,
    INDEX push_tokens_user (project_id, user_id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
