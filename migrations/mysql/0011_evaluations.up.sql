CREATE TABLE evaluations (
    project_id binary(16) NOT NULL,
    id binary(16) NOT NULL,
    run binary(16) NOT NULL,
    status smallint NOT NULL,
    ruleset bigint NOT NULL,
    looked bigint NOT NULL,
    matched bigint NOT NULL,
    evaluated_at datetime(6) NOT NULL,
    error mediumtext,
    PRIMARY KEY (project_id, id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
