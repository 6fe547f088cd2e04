-- The right to poll a controller for the whole fleet: one worker at a time, while anything is pending.
-- KEYS[1] L   ARGV: worker lease_ms(0 gives the right up)
-- -> {pending, 1 when the lease is ours}
local L, c = KEYS[1], redis.call
local n = c('HLEN', L..'pending')
if n == 0 or ARGV[2] == '0' then
  if c('GET', L..'poller') == ARGV[1] then c('DEL', L..'poller') end
  return { n, 0 }
end
local owner = c('GET', L..'poller')
if owner and owner ~= ARGV[1] then return { n, 0 } end
c('SET', L..'poller', ARGV[1], 'PX', ARGV[2])
return { n, 1 }
