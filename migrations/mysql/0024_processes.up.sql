CREATE TABLE processes (
    id binary(16) NOT NULL,
    role varchar(255) NOT NULL,
    host text NOT NULL,
    pid bigint NOT NULL,
    version text NOT NULL,
    beat bigint NOT NULL,
    started_at datetime(6) NOT NULL,
    beat_at datetime(6) NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
