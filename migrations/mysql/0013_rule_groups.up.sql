CREATE TABLE rule_groups (
    project_id binary(16) NOT NULL,
    rule_id binary(16) NOT NULL,
    group_hash varbinary(32) NOT NULL,
    group_key mediumtext NOT NULL,
    state json NOT NULL,
    updated_at datetime(6) NOT NULL,
    PRIMARY KEY (project_id, group_hash),
    FOREIGN KEY (project_id, rule_id) REFERENCES rules (project_id, id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
