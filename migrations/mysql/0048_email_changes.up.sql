CREATE TABLE email_changes (
    project_id binary(16) NOT NULL,
    user_id binary(16) NOT NULL,
    id binary(16) NOT NULL,
    email varchar(320) NOT NULL,
    token_hash varbinary(32) NOT NULL,
    created_at datetime(6) NOT NULL,
    expires_at datetime(6) NOT NULL,
    PRIMARY KEY (project_id, user_id),
    FOREIGN KEY (project_id, user_id) REFERENCES users (project_id, id) ON DELETE CASCADE
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
