-- Something a parked unit waits for has happened.
-- KEYS[1] P   ARGV: (job ph b delay_ms)*   delay 0: now; else: no later than in delay_ms
-- -> number of units found parked. No event.
local n, ms = 0, now()
for i = 1, #ARGV, 4 do
  local job, ph, b, delay = ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3])
  local r = rec_get(job, ph, b)
  if r and r.st == 'W' then
    n = n + 1
    if delay <= 0 then unpark(call('HGET', J(job), 'lane'), job, ph, b, r)
    else
      local lane = call('HGET', J(job), 'lane')
      local due = call('ZSCORE', P..'delayed', unit(job, ph, b))
      if not due or tonumber(due) > ms + delay then call('ZADD', P..'delayed', ms + delay, unit(job, ph, b)) end
      call('SADD', P..'pk:'..lane, unit(job, ph, b))
    end
  end
end
if n > 0 then pump(16) end
return n
