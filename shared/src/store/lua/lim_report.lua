-- The new limit, computed by a worker (limit/aimd.rs); a compare-and-set on the generation: one signal, one change for the fleet.
-- KEYS[1] L   ARGV: gen rate(calls/s, '' keeps) conc('' keeps) cool_ms(0 none, at most 300000)
-- -> {gen, 1 when accepted}
local K, c = KEYS[1]..'lim', redis.call
local t = c('TIME'); local now = t[1] * 1000 + t[2] / 1000
local cool = math.min(tonumber(ARGV[4]), 300000)
if cool > 0 then c('HSET', K, 'cool', string.format('%.0f', math.max(tonumber(c('HGET', K, 'cool') or 0), math.floor(now + cool)))) end
local gen = tonumber(c('HGET', K, 'gen') or 0)
local accepted = 0
if tonumber(ARGV[1]) == gen and (ARGV[2] ~= '' or ARGV[3] ~= '') then
  gen = gen + 1; accepted = 1
  c('HSET', K, 'gen', gen)
  if ARGV[2] ~= '' then c('HSET', K, 'rate', ARGV[2]) end
  if ARGV[3] ~= '' then c('HSET', K, 'cmax', ARGV[3]) end
end
c('PEXPIRE', K, 86400000)
return { gen, accepted }
