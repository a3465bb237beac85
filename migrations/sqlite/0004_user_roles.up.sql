CREATE TABLE user_roles (
    project_id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    role_id BLOB NOT NULL,
    PRIMARY KEY (project_id, user_id, role_id),
    FOREIGN KEY (project_id, user_id) REFERENCES users (project_id, id) ON DELETE CASCADE,
    FOREIGN KEY (project_id, role_id) REFERENCES roles (project_id, id)
) STRICT, WITHOUT ROWID;
