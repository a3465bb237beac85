DROP TABLE dead_jobs;
