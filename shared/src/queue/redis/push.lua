-- KEYS[1]: the queue. ARGV: who pushes, then for each project: its id, how many, the elements.
local ring = KEYS[1] .. ':ring'
local last = redis.call('ZRANGE', ring, -1, -1, 'WITHSCORES')
local turn = tonumber(last[2] or 0)
local at = 2
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
