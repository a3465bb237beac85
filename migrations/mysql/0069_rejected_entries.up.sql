CREATE TABLE rejected_entries (
    project_id binary(16) NOT NULL,
    id binary(16) NOT NULL,
    intake smallint NOT NULL,
    entry_id varchar(255) NOT NULL,
    reason varchar(1000) NOT NULL,
    body mediumblob NOT NULL,
    size bigint NOT NULL,
    received_at datetime(6) NOT NULL,
    PRIMARY KEY (project_id, id),
    FOREIGN KEY (project_id) REFERENCES projects (id),
    INDEX rejected_entries_age (received_at)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
