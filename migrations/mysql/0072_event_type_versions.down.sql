DROP TABLE event_type_versions;
