ALTER TABLE rule_versions RENAME COLUMN mode TO active;
