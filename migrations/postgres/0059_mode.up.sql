ALTER TABLE rule_versions RENAME COLUMN active TO mode;
