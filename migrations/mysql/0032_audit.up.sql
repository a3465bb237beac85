CREATE TABLE audit (
    project_id binary(16) NOT NULL,
    id binary(16) NOT NULL,
    at datetime(6) NOT NULL,
    actor_kind varchar(32) NOT NULL,
    actor_id binary(16) NOT NULL,
    action varchar(64) NOT NULL,
    resource_id binary(16) NOT NULL,
    before_change json,
    after_change json,
    subject_id binary(16) NOT NULL,
    personal blob,
    origin blob,
    correlation_id varchar(255),
    PRIMARY KEY (project_id, id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
