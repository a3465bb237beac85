CREATE TABLE project_secrets (
    project_id binary(16) NOT NULL,
    field varchar(128) NOT NULL,
    secret mediumblob NOT NULL,
    updated_at datetime(6) NOT NULL,
    PRIMARY KEY (project_id, field),
    FOREIGN KEY (project_id) REFERENCES projects (id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
