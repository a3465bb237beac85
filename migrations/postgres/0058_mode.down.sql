ALTER TABLE rules RENAME COLUMN mode TO active;
