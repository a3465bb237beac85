UPDATE due SET kind = 3 WHERE kind = 5;
