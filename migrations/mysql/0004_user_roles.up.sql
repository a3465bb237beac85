CREATE TABLE user_roles (
    project_id binary(16) NOT NULL,
    user_id binary(16) NOT NULL,
    role_id binary(16) NOT NULL,
    PRIMARY KEY (project_id, user_id, role_id),
    FOREIGN KEY (project_id, user_id) REFERENCES users (project_id, id) ON DELETE CASCADE,
    FOREIGN KEY (project_id, role_id) REFERENCES roles (project_id, id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
