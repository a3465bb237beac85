CREATE TABLE silences (
    project_id binary(16) NOT NULL,
    id binary(16) NOT NULL,
    body json NOT NULL,
    version bigint NOT NULL,
    created_by binary(16),
    ended_at datetime(6),
    created_at datetime(6) NOT NULL,
    updated_at datetime(6) NOT NULL,
    PRIMARY KEY (project_id, id),
    FOREIGN KEY (project_id) REFERENCES projects (id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
