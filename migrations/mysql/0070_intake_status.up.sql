CREATE TABLE intake_status (
    project_id binary(16) NOT NULL,
    intake smallint NOT NULL,
    waiting bigint,
    pending bigint,
    accepted bigint NOT NULL,
    rejected bigint NOT NULL,
    last_entry_at datetime(6),
    last_error varchar(500),
    last_error_at datetime(6),
    updated_at datetime(6) NOT NULL,
    PRIMARY KEY (project_id, intake),
    FOREIGN KEY (project_id) REFERENCES projects (id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
