CREATE TABLE preferences (
    project_id binary(16) NOT NULL,
    user_id binary(16) NOT NULL,
    version bigint NOT NULL,
    body json NOT NULL,
    updated_at datetime(6) NOT NULL,
    PRIMARY KEY (project_id, user_id),
    FOREIGN KEY (project_id, user_id) REFERENCES users (project_id, id) ON DELETE CASCADE
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
