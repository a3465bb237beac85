CREATE TABLE one_time_tokens (
    project_id binary(16) NOT NULL,
    id binary(16) NOT NULL,
    user_id binary(16) NOT NULL,
    purpose smallint NOT NULL,
    token_hash varbinary(32) NOT NULL,
    created_at datetime(6) NOT NULL,
    expires_at datetime(6) NOT NULL,
    used_at datetime(6),
    PRIMARY KEY (project_id, id),
    FOREIGN KEY (project_id, user_id) REFERENCES users (project_id, id) ON DELETE CASCADE,
    INDEX one_time_tokens_user (project_id, user_id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
