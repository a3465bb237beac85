CREATE TABLE due (
    project_id binary(16) NOT NULL,
    kind smallint NOT NULL,
    row_id binary(16) NOT NULL,
    at datetime(6) NOT NULL,
    data mediumblob,
    PRIMARY KEY (project_id, kind, row_id),
    INDEX due_at (project_id, at)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
