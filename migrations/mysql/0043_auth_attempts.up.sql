CREATE TABLE auth_attempts (
    project_id binary(16) NOT NULL,
    kind smallint NOT NULL,
    source_hash binary(32) NOT NULL,
    since datetime(6) NOT NULL,
    attempts bigint NOT NULL,
    PRIMARY KEY (project_id, kind, source_hash),
    INDEX auth_attempts_since (since)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
