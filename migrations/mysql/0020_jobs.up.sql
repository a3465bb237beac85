CREATE TABLE jobs (
    queue smallint NOT NULL,
    project_id binary(16) NOT NULL,
    id binary(16) NOT NULL,
    attempts bigint NOT NULL,
    body mediumblob NOT NULL,
    PRIMARY KEY (queue, project_id, id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
