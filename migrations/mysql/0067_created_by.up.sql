ALTER TABLE rule_versions ADD COLUMN created_by binary(16);
