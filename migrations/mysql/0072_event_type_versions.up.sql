CREATE TABLE event_type_versions (
    project_id binary(16) NOT NULL,
    event_type_id binary(16) NOT NULL,
    version bigint NOT NULL,
    json_schema mediumtext NOT NULL,
    example mediumtext,
    created_by binary(16),
    created_at datetime(6) NOT NULL,
    PRIMARY KEY (project_id, event_type_id, version),
    FOREIGN KEY (project_id, event_type_id) REFERENCES event_types (project_id, id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
