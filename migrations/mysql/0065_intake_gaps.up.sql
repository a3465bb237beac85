CREATE TABLE intake_gaps (
    id binary(16) NOT NULL,
    from_at datetime(6) NOT NULL,
    until_at datetime(6) NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
