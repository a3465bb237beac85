CREATE TABLE projects (
    id uuid NOT NULL,
    slug text NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    status smallint NOT NULL,
    epoch bigint NOT NULL,
    access_epoch bigint NOT NULL,
    live uuid NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    PRIMARY KEY (id),
    UNIQUE (slug, live),
    UNIQUE (name, live)
);
