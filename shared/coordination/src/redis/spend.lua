-- KEYS[1]: what the keys of all limits begin with. ARGV, for each limit: its key, rate, burst, what was spent.
-- A limit is kept as what was left and when, in microseconds; it goes when it is full again, for that is how a new one
-- begins.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local left = {}
for at = 1, #ARGV, 4 do
  local key = KEYS[1] .. ':' .. ARGV[at]
  local rate, burst = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local tokens = burst
  local kept = redis.call('GET', key)
  if kept then
    local amount, since = string.match(kept, '^(%S+) (%d+)$')
    if amount then
      local passed = math.max(0, now - tonumber(since)) / 1000000
      tokens = math.min(burst, tonumber(amount) + rate * passed)
    end
  end
  tokens = math.max(-burst, tokens - tonumber(ARGV[at + 3]))
  local full = math.ceil((burst - tokens) / rate * 1000)
  if full > 0 then
    local value = string.format('%.17g %.0f', tokens, now)
    redis.call('SET', key, value, 'PX', string.format('%.0f', math.min(full, 1e12)))
  elseif kept then
    redis.call('DEL', key)
  end
  left[#left + 1] = string.format('%.17g', tokens)
end
return left
