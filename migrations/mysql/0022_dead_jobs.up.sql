CREATE TABLE dead_jobs (
    project_id binary(16) NOT NULL,
    id binary(16) NOT NULL,
    queue smallint NOT NULL,
    body mediumblob NOT NULL,
    error mediumtext NOT NULL,
    died_at datetime(6) NOT NULL,
    PRIMARY KEY (project_id, id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
