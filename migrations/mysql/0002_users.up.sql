CREATE TABLE users (
    project_id binary(16) NOT NULL,
    id binary(16) NOT NULL,
    email varchar(320) NOT NULL,
    full_name text NOT NULL,
    status smallint NOT NULL,
    password_hash text,
    failed_logins bigint NOT NULL,
    locked_until datetime(6),
    email_verified_at datetime(6),
    last_login_at datetime(6),
    live binary(16) NOT NULL,
    created_at datetime(6) NOT NULL,
    updated_at datetime(6) NOT NULL,
    deleted_at datetime(6),
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, email, live),
    FOREIGN KEY (project_id) REFERENCES projects (id)
) ENGINE = InnoDB COLLATE = utf8mb4_nopad_bin;
