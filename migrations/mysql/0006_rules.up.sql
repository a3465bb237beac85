CREATE TABLE rules (
    project_id binary(16) NOT NULL,
    id binary(16) NOT NULL,
    name varchar(255) NOT NULL,
    active smallint NOT NULL,
    version bigint NOT NULL,
    body json NOT NULL,
    live binary(16) NOT NULL,
    created_at datetime(6) NOT NULL,
    updated_at datetime(6) NOT NULL,
    deleted_at datetime(6),
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, name, live),
    FOREIGN KEY (project_id) REFERENCES projects (id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
