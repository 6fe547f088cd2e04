-- A lane's controller asked for a pause or is down: nothing of the lane is released until then.
-- KEYS[1] P   ARGV: lane ms('0' ends it, at most 300000)
-- -> ms until the lane opens. No event.
local lane, ms = ARGV[1], now()
local till = math.max(num(call('HGET', P..'cool', lane)), ms + math.min(tonumber(ARGV[2]), 300000))
if tonumber(ARGV[2]) <= 0 then call('HDEL', P..'cool', lane); ring_add(lane); pump(8); return 0 end
call('HSET', P..'cool', lane, till); call('ZREM', P..'ring', lane)
return till - ms
