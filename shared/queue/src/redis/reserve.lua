-- KEYS[1]: the queue. ARGV: the new lease, how long it lasts in ms, how many jobs at most (1000 or less); from whoever
-- waits if there are none also its name and for how many seconds it may be handed some.
-- Answers how many elements were garbage, and those that are held now.
local queue, lease, most = KEYS[1], ARGV[1], tonumber(ARGV[3])
local ring, leases, idle = queue .. ':ring', queue .. ':leases', queue .. ':idle'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local last = redis.call('ZRANGE', ring, -1, -1, 'WITHSCORES')
local turn, quiet = tonumber(last[2] or 0), #last == 0

-- What expired returns to the front of its lists, the latest first so that the oldest ends up foremost.
local expired = redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, 64)
local count, total = 0, 0
while count < #expired and total < 1000 do
  count = count + 1
  total = total + redis.call('LLEN', queue .. ':lease:' .. expired[count])
end
local seen = {}
for place = count, 1, -1 do
  local key = queue .. ':lease:' .. expired[place]
  local held = redis.call('LRANGE', key, 0, -1)
  for job = #held, 1, -1 do
    local project = string.sub(held[job], 2, 17)
    redis.call('LPUSH', queue .. ':p:' .. project, held[job])
    if not seen[project] then
      seen[project] = true
      turn = turn + 1
      redis.call('ZADD', ring, 'NX', turn, project)
    end
  end
  redis.call('DEL', key)
  redis.call('ZREM', leases, expired[place])
end

local size = redis.call('ZCARD', ring)
if size == 0 then
  if ARGV[4] then
    redis.call('ZADD', idle, now + tonumber(ARGV[5]) * 1000, ARGV[4])
    redis.call('EXPIRE', idle, ARGV[5])
  end
  return { 0, {} }
end
if ARGV[4] then redis.call('ZREM', idle, ARGV[4]) end
local share = math.max(1, math.ceil(most / size))
local taken, garbage = {}, 0
-- Places without work and garbage cost steps as well, so that nothing in the ring can hold the server up.
local steps = 2 * most + 1000
while #taken < most and steps > 0 do
  local round = redis.call('ZRANGE', ring, 0, math.min(size, most) - 1)
  if #round == 0 then break end
  for _, project in ipairs(round) do
    local want = math.min(share, most - #taken)
    if want <= 0 then break end
    local list = queue .. ':p:' .. project
    local got = redis.pcall('LPOP', list, want)
    -- A key of another type has no jobs for us and must not stop those of others.
    local broken = got and got.err
    if not got or broken then got = {} end
    for _, element in ipairs(got) do
      if #element < 33 then
        garbage = garbage + 1
        redis.call('LPUSH', queue .. ':garbage', element)
      else
        local attempts = math.min(255, string.byte(element) + 1)
        taken[#taken + 1] = string.char(attempts) .. string.sub(element, 2)
      end
    end
    if broken or #got < want or redis.call('EXISTS', list) == 0 then
      redis.call('ZREM', ring, project)
    else
      turn = turn + 1
      redis.call('ZADD', ring, turn, project)
    end
    steps = steps - 1
  end
  steps = steps - garbage
end
if garbage > 0 then
  redis.call('LTRIM', queue .. ':garbage', 0, 99)
  redis.call('EXPIRE', queue .. ':garbage', 86400)
end
if #taken > 0 then
  redis.call('RPUSH', queue .. ':lease:' .. lease, unpack(taken))
  redis.call('ZADD', leases, now + tonumber(ARGV[2]), lease)
end
-- More came back than is taken here: the others may sleep, this process's own workers among them.
if quiet and count > 0 and redis.call('EXISTS', ring) == 1 then
  redis.call('PUBLISH', queue .. ':wake', '')
end
return { garbage, taken }
