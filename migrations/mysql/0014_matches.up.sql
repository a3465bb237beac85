CREATE TABLE matches (
    project_id binary(16) NOT NULL,
    event_id binary(16) NOT NULL,
    rule_id binary(16) NOT NULL,
    rule_version bigint NOT NULL,
    outcome smallint NOT NULL,
    reason varchar(255),
    until datetime(6),
    alert_id binary(16),
    PRIMARY KEY (project_id, event_id, rule_id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
