DROP TABLE project_secrets;
