CREATE TABLE schedules (
    project_id binary(16) NOT NULL,
    id binary(16) NOT NULL,
    name varchar(255) NOT NULL,
    task varchar(255) NOT NULL,
    every_ms bigint NOT NULL,
    next_run_at datetime(6) NOT NULL,
    created_at datetime(6) NOT NULL,
    updated_at datetime(6) NOT NULL,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, name)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
