ALTER TABLE matches ADD COLUMN cause uuid;
