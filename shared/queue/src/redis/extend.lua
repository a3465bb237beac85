-- KEYS[1]: the queue. ARGV: how long from now in ms, then the leases. Answers those that were lost.
local leases = KEYS[1] .. ':leases'
local time = redis.call('TIME')
local deadline = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[1])
local lost = {}
for at = 2, #ARGV do
  local there = redis.call('EXISTS', KEYS[1] .. ':lease:' .. ARGV[at]) == 1
  if there and redis.call('ZSCORE', leases, ARGV[at]) then
    redis.call('ZADD', leases, 'XX', deadline, ARGV[at])
  else
    lost[#lost + 1] = ARGV[at]
  end
end
return lost
