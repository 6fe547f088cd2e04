-- Names are free again: their tasks have ended, or (no names given) the whole phase has.
-- KEYS[1] L   ARGV: who name*
-- -> names left
local L, c, who, left = KEYS[1], redis.call, ARGV[1], 0
if #ARGV > 1 then
  c('SREM', L..'names:'..who, unpack(ARGV, 2))
  left = c('SCARD', L..'names:'..who)
else c('UNLINK', L..'names:'..who) end
if left == 0 then c('ZREM', L..'writers', who) end
return left
