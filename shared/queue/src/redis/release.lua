-- KEYS[1]: the queue. ARGV: the lease, after how many ms, whether the attempt is spent, the lease to rest under, who
-- releases, then the jobs.
local queue, lease, after = KEYS[1], ARGV[1], tonumber(ARGV[2])
local key, leases, ring = queue .. ':lease:' .. lease, queue .. ':leases', queue .. ':ring'
local named = {}
for at = 6, #ARGV do named[ARGV[at]] = true end
local kept, back = {}, {}
for _, element in ipairs(redis.call('LRANGE', key, 0, -1)) do
  if named[string.sub(element, 18, 33)] then
    if ARGV[3] == '0' then
      element = string.char(math.max(0, string.byte(element) - 1)) .. string.sub(element, 2)
    end
    back[#back + 1] = element
  else
    kept[#kept + 1] = element
  end
end
if #back == 0 then return 0 end
redis.call('DEL', key)
if #kept > 0 then
  redis.call('RPUSH', key, unpack(kept))
else
  redis.call('ZREM', leases, lease)
end
if after > 0 then
  -- Whoever rests is a lease that nobody renews: its end brings it back.
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('RPUSH', queue .. ':lease:' .. ARGV[4], unpack(back))
  redis.call('ZADD', leases, now + after, ARGV[4])
  return #back
end
local last = redis.call('ZRANGE', ring, -1, -1, 'WITHSCORES')
local turn, seen = tonumber(last[2] or 0), {}
for at = #back, 1, -1 do
  local project = string.sub(back[at], 2, 17)
  redis.call('LPUSH', queue .. ':p:' .. project, back[at])
  if not seen[project] then
    seen[project] = true
    turn = turn + 1
    redis.call('ZADD', ring, 'NX', turn, project)
  end
end
if #last == 0 then redis.call('PUBLISH', queue .. ':wake', ARGV[5]) end
return #back
