DROP TABLE intake_gaps;
