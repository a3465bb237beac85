-- KEYS[1]: the queue. Answers how many wait and how many are held. Lists are counted, so that nothing can drift; beyond
-- the first 5000 the rest counts as the average, so that no number of projects holds the server up.
local function sum(members, all, prefix)
  local total = 0
  for _, member in ipairs(members) do
    local length = redis.pcall('LLEN', prefix .. member)
    if type(length) == 'number' then total = total + length end
  end
  if #members == 0 then return 0 end
  return math.floor(total * all / #members)
end
local ring, leases = KEYS[1] .. ':ring', KEYS[1] .. ':leases'
return {
  sum(redis.call('ZRANGE', ring, 0, 4999), redis.call('ZCARD', ring), KEYS[1] .. ':p:'),
  sum(redis.call('ZRANGE', leases, 0, 4999), redis.call('ZCARD', leases), KEYS[1] .. ':lease:'),
}
