CREATE TABLE audit_chain (
    project_id binary(16) NOT NULL,
    seq bigint NOT NULL,
    audit_id binary(16) NOT NULL,
    hash varbinary(32) NOT NULL,
    PRIMARY KEY (project_id, seq),
    UNIQUE (project_id, audit_id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
