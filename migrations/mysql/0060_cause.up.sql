ALTER TABLE matches ADD COLUMN cause binary(16);
