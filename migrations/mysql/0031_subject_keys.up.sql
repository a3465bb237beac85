CREATE TABLE subject_keys (
    project_id binary(16) NOT NULL,
    subject_id binary(16) NOT NULL,
    secret varbinary(255) NOT NULL,
    created_at datetime(6) NOT NULL,
    PRIMARY KEY (project_id, subject_id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
