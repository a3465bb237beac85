-- KEYS[1]: the queue. ARGV: who pushes, a lease for whoever waits and how long it lasts in ms, then for each project: its
-- id, how many, the elements.
local ring = KEYS[1] .. ':ring'
local last = redis.call('ZRANGE', ring, -1, -1, 'WITHSCORES')

-- A few jobs that nothing is in front of are handed to a process that waits, which saves it a way here. One that does not
-- listen any more gets none: then they are pushed like any others.
local function hand_over()
  local idle, time = KEYS[1] .. ':idle', redis.call('TIME')
  if redis.call('EXISTS', idle) == 0 then return false end
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local held, message, at = {}, { ARGV[2] }, 4
  while at <= #ARGV do
    local last_place = at + 1 + tonumber(ARGV[at + 1])
    for place = at + 2, last_place do
      local element = string.char(1) .. string.sub(ARGV[place], 2)
      held[#held + 1] = element
      message[#message + 1] = struct.pack('>I4', #element) .. element
    end
    at = last_place + 1
  end
  for _ = 1, 4 do
    local waiting = redis.call('ZRANGE', idle, -1, -1, 'WITHSCORES')
    if #waiting == 0 then return false end
    redis.call('ZREM', idle, waiting[1])
    if tonumber(waiting[2]) > now
      and redis.call('PUBLISH', KEYS[1] .. ':to:' .. waiting[1], table.concat(message)) > 0 then
      redis.call('RPUSH', KEYS[1] .. ':lease:' .. ARGV[2], unpack(held))
      redis.call('ZADD', KEYS[1] .. ':leases', now + tonumber(ARGV[3]), ARGV[2])
      return true
    end
  end
  return false
end
if #last == 0 and #ARGV <= 64 and hand_over() then return 0 end

local turn = tonumber(last[2] or 0)
local at = 4
while at <= #ARGV do
  local project, count = ARGV[at], tonumber(ARGV[at + 1])
  redis.call('RPUSH', KEYS[1] .. ':p:' .. project, unpack(ARGV, at + 2, at + 1 + count))
  turn = turn + 1
  -- Said each time, so that a project whose place was lost finds back into the ring.
  redis.call('ZADD', ring, 'NX', turn, project)
  at = at + 2 + count
end
if #last == 0 then redis.call('PUBLISH', KEYS[1] .. ':wake', ARGV[1]) end
return 0
