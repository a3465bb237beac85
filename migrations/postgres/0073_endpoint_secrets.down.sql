DROP TABLE endpoint_secrets;
