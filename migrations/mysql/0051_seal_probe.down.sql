DROP TABLE seal_probe;
