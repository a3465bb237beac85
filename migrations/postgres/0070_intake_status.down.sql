DROP TABLE intake_status;
