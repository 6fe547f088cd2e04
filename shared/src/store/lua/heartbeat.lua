-- Keeps claimed units ours and the worker known; one call for all units of a worker, every second.
-- KEYS[1] P   ARGV: worker slots info-json ttl_ms (job ph b token)*
-- -> one of OK | LOST | HELD | CANCELLED for each unit; behind them DRAIN when somebody has asked the worker to stop. No event.
local worker, out, ms = ARGV[1], {}, now()
call('ZADD', P..'workers', ms + tonumber(ARGV[4]), worker)
call('HSET', P..'worker:'..worker, 'slots', ARGV[2], 'info', ARGV[3], 'busy', (#ARGV - 4) / 4, 'seen', ms)
call('PEXPIRE', P..'worker:'..worker, ARGV[4])
for i = 5, #ARGV, 4 do
  local job = ARGV[i]
  local r = rec_get(job, ARGV[i + 1], ARGV[i + 2])
  if not r or r.token ~= ARGV[i + 3] then out[#out + 1] = 'LOST'
  else
    -- still ours: reset the idle time. Without FORCE, so an entry that left the pending list is not resurrected.
    local c = call('XCLAIM', WORK, G, worker, 0, r.entry, 'JUSTID')
    local f = call('HMGET', J(job), 'trunc', 'held')
    touch(job, ms)
    out[#out + 1] = #c == 0 and 'LOST' or f[1] and 'CANCELLED' or f[2] and 'HELD' or 'OK'
  end
end
if call('HEXISTS', P..'worker:'..worker, 'drain') == 1 then out[#out + 1] = 'DRAIN' end
return out
