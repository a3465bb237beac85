CREATE TABLE projects (
    id binary(16) NOT NULL,
    slug varchar(255) NOT NULL,
    name varchar(255) NOT NULL,
    description text NOT NULL,
    status smallint NOT NULL,
    epoch bigint NOT NULL,
    access_epoch bigint NOT NULL,
    live binary(16) NOT NULL,
    created_at datetime(6) NOT NULL,
    updated_at datetime(6) NOT NULL,
    deleted_at datetime(6),
    PRIMARY KEY (id),
    UNIQUE (slug, live),
    UNIQUE (name, live)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
