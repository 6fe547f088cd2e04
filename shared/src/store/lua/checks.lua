-- Held jobs whose plan is to be looked at: those that are due. Each is due again after a while, until somebody has said what came of it.
-- KEYS[1] P   ARGV: pause_ms max
-- -> {job, tenant}*   No event.
local ms, out = now(), {}
for _, job in ipairs(call('ZRANGEBYSCORE', P..'checks', '-inf', ms, 'LIMIT', 0, ARGV[2])) do
  local t = call('HGET', J(job), 't')
  if t then
    call('ZADD', P..'checks', ms + tonumber(ARGV[1]), job)
    out[#out + 1] = job; out[#out + 1] = t
  else call('ZREM', P..'checks', job) end
end
return out
