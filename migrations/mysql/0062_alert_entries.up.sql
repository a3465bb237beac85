CREATE TABLE alert_entries (
    project_id binary(16) NOT NULL,
    alert_id binary(16) NOT NULL,
    id binary(16) NOT NULL,
    change_kind smallint NOT NULL,
    at datetime(6) NOT NULL,
    user_id binary(16),
    event_id binary(16),
    until datetime(6),
    PRIMARY KEY (project_id, alert_id, id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
