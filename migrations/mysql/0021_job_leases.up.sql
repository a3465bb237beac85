CREATE TABLE job_leases (
    queue smallint NOT NULL,
    id binary(16) NOT NULL,
    until datetime(6) NOT NULL,
    jobs longblob NOT NULL,
    PRIMARY KEY (queue, id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
