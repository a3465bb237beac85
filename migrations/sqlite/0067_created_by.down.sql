ALTER TABLE rule_versions DROP COLUMN created_by;
