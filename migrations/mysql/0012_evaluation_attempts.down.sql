DROP TABLE evaluation_attempts;
