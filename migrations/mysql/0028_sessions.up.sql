CREATE TABLE sessions (
    project_id binary(16) NOT NULL,
    id binary(16) NOT NULL,
    user_id binary(16) NOT NULL,
    created_at datetime(6) NOT NULL,
    used_at datetime(6) NOT NULL,
    ends_at datetime(6) NOT NULL,
    revoked_at datetime(6),
    revoked_for smallint,
    device varbinary(32),
    origin blob,
    PRIMARY KEY (project_id, id),
    FOREIGN KEY (project_id, user_id) REFERENCES users (project_id, id) ON DELETE CASCADE,
    INDEX sessions_user (project_id, user_id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
