CREATE TABLE watermarks (
    project_id binary(16) NOT NULL,
    kind smallint NOT NULL,
    at datetime(6) NOT NULL,
    PRIMARY KEY (project_id, kind)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
