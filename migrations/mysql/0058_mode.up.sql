ALTER TABLE rules RENAME COLUMN active TO mode;
