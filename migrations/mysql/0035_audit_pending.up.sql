CREATE TABLE audit_pending (
    project_id binary(16) NOT NULL,
    audit_id binary(16) NOT NULL,
    at datetime(6) NOT NULL,
    PRIMARY KEY (project_id, audit_id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
