CREATE TABLE notifications (
    project_id binary(16) NOT NULL,
    id binary(16) NOT NULL,
    kind smallint NOT NULL,
    origin_id binary(16) NOT NULL,
    rule_id binary(16),
    rule_version bigint,
    alert_id binary(16),
    round bigint NOT NULL,
    title text NOT NULL,
    body mediumtext NOT NULL,
    priority smallint NOT NULL,
    created_at datetime(6) NOT NULL,
    PRIMARY KEY (project_id, id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
