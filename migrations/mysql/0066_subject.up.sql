ALTER TABLE events ADD COLUMN subject varchar(256);
