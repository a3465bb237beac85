CREATE TABLE seal_probe (
    project_id binary(16) NOT NULL,
    value varbinary(255) NOT NULL,
    created_at datetime(6) NOT NULL,
    PRIMARY KEY (project_id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
