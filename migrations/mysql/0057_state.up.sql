ALTER TABLE mails DROP COLUMN state, DROP COLUMN attempts, DROP COLUMN reason, DROP COLUMN updated_at;
