CREATE TABLE evaluation_attempts (
    project_id binary(16) NOT NULL,
    event_id binary(16) NOT NULL,
    attempts bigint NOT NULL,
    error mediumtext NOT NULL,
    updated_at datetime(6) NOT NULL,
    PRIMARY KEY (project_id, event_id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
