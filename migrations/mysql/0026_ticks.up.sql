CREATE TABLE ticks (
    project_id binary(16) NOT NULL,
    id binary(16) NOT NULL,
    schedule_id binary(16) NOT NULL,
    due_at datetime(6) NOT NULL,
    started_at datetime(6),
    finished_at datetime(6),
    outcome text,
    PRIMARY KEY (project_id, id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
