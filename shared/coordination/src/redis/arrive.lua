-- KEYS[1]: the group. ARGV: for how many ms, then the members.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ttl = tonumber(ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
for at = 2, #ARGV do
  redis.call('ZADD', KEYS[1], now + ttl, ARGV[at])
end
-- The group lasts as long as its last member.
if redis.call('PTTL', KEYS[1]) < ttl then redis.call('PEXPIRE', KEYS[1], ttl) end
return 0
