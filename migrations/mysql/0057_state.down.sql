ALTER TABLE mails ADD COLUMN state smallint NOT NULL DEFAULT 3, ADD COLUMN attempts bigint NOT NULL DEFAULT 0,
    ADD COLUMN reason mediumtext, ADD COLUMN updated_at datetime(6) NOT NULL DEFAULT '1970-01-02 00:00:00';
