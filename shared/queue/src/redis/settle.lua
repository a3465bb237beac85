-- KEYS[1]: the queue. ARGV: the leases.
for _, lease in ipairs(ARGV) do
  redis.call('DEL', KEYS[1] .. ':lease:' .. lease)
end
redis.call('ZREM', KEYS[1] .. ':leases', unpack(ARGV))
return 0
