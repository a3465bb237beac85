CREATE TABLE project_settings (
    project_id binary(16) NOT NULL,
    version bigint NOT NULL,
    body json NOT NULL,
    updated_at datetime(6) NOT NULL,
    PRIMARY KEY (project_id),
    FOREIGN KEY (project_id) REFERENCES projects (id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
