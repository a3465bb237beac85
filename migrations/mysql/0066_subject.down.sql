ALTER TABLE events DROP COLUMN subject;
