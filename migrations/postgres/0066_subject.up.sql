ALTER TABLE events ADD COLUMN subject text;
