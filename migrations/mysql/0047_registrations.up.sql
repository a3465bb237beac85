CREATE TABLE registrations (
    project_id binary(16) NOT NULL,
    id binary(16) NOT NULL,
    email varchar(320) NOT NULL,
    full_name text NOT NULL,
    token_hash varbinary(32) NOT NULL,
    created_at datetime(6) NOT NULL,
    expires_at datetime(6) NOT NULL,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, email),
    FOREIGN KEY (project_id) REFERENCES projects (id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
