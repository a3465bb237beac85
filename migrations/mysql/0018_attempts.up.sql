CREATE TABLE attempts (
    project_id binary(16) NOT NULL,
    delivery_id binary(16) NOT NULL,
    number bigint NOT NULL,
    outcome varchar(255) NOT NULL,
    status_code bigint,
    detail mediumtext,
    started_at datetime(6) NOT NULL,
    took_ms bigint NOT NULL,
    PRIMARY KEY (project_id, delivery_id, number)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
