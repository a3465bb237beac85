CREATE TABLE rule_versions (
    project_id binary(16) NOT NULL,
    rule_id binary(16) NOT NULL,
    version bigint NOT NULL,
    active smallint NOT NULL,
    body json NOT NULL,
    since_epoch bigint NOT NULL,
    until_epoch bigint,
    created_at datetime(6) NOT NULL,
    PRIMARY KEY (project_id, rule_id, version),
    FOREIGN KEY (project_id, rule_id) REFERENCES rules (project_id, id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
