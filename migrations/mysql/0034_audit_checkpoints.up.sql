CREATE TABLE audit_checkpoints (
    project_id binary(16) NOT NULL,
    seq bigint NOT NULL,
    hash varbinary(32) NOT NULL,
    at datetime(6) NOT NULL,
    signature varbinary(255) NOT NULL,
    PRIMARY KEY (project_id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
