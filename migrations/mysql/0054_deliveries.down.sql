DELETE FROM deliveries WHERE target_kind = 2;
