CREATE TABLE backup_codes (
    project_id binary(16) NOT NULL,
    user_id binary(16) NOT NULL,
    code_hash varbinary(32) NOT NULL,
    created_at datetime(6) NOT NULL,
    used_at datetime(6),
    PRIMARY KEY (project_id, user_id, code_hash),
    FOREIGN KEY (project_id, user_id) REFERENCES users (project_id, id) ON DELETE CASCADE
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
