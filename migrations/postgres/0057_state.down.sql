ALTER TABLE mails ADD COLUMN state smallint NOT NULL DEFAULT 3, ADD COLUMN attempts bigint NOT NULL DEFAULT 0,
    ADD COLUMN reason text, ADD COLUMN updated_at timestamptz NOT NULL DEFAULT '1970-01-01T00:00:00Z';
