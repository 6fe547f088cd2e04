-- A worker's share of a controller's limits: a block of tokens (GCRA) and a leased share of the concurrency.
-- KEYS[1] L = "workflow:{c:<limiter>}:"   ARGV: worker want_tokens give_back want_conc lease_ms rate_max burst conc_max in_flight
--   rate_max calls/s, the configured rate: never probed above; the limit starts there and may come back to it after any cut
-- -> {tokens, wait_ms, conc, gen, rate in 1/1000 per s, conc limit, workers with demand, cool_ms}
local L, c = KEYS[1], redis.call
local K, Z, N = L..'lim', L..'conc', L..'concn'
local t = c('TIME'); local now = t[1] * 1000 + t[2] / 1000
local worker, want, back, wantc = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local rmax, burst, cceil = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local h = c('HMGET', K, 'rate', 'rmax', 'tat', 'cool', 'gen', 'cmax', 'cceil')
local rate, cmax = tonumber(h[1] or rmax), tonumber(h[6] or cceil)
if tonumber(h[2] or rmax) ~= rmax then rate = rmax end              -- the configuration was changed
if tonumber(h[7] or cceil) ~= cceil then cmax = cceil end
rate, cmax = math.min(rate, rmax), math.min(cmax, cceil)
local tat, cool, gen = tonumber(h[3] or 0), tonumber(h[4] or 0), tonumber(h[5] or 0)
-- concurrency: one lease per worker, safe against crashes by its expiry
for _, w in ipairs(c('ZRANGEBYSCORE', Z, '-inf', now)) do c('ZREM', Z, w); c('HDEL', N, w) end
local used, mine = 0, tonumber(c('HGET', N, worker) or 0)
for _, n in ipairs(c('HVALS', N)) do used = used + tonumber(n) end
local names = c('ZRANGE', Z, 0, -1)
if not c('ZSCORE', Z, worker) then names[#names + 1] = worker end
local demand = #names
local share = math.ceil(cmax / demand)
if cmax < demand then                                               -- too few for all: they go round, two seconds each
  table.sort(names)
  local pos = 0
  for i, w in ipairs(names) do if w == worker then pos = i - 1 end end
  share = (pos + math.floor(now / 2000)) % demand < cmax and 1 or 0
end
local grant = math.max(0, math.min(wantc, share, cmax - (used - mine)))
local flight = tonumber(ARGV[9] or 0)
if wantc > 0 then c('ZADD', Z, now + tonumber(ARGV[5]), worker); c('HSET', N, worker, math.max(grant, flight))
else c('ZREM', Z, worker); c('HDEL', N, worker); demand = c('ZCARD', Z) end
c('PEXPIRE', Z, 86400000); c('PEXPIRE', N, 86400000)
-- rate: k tokens at once; what was not used comes back
local em = 1000 / rate
local tau = burst * em
if back > 0 then tat = tat - back * em end
if tat < now then tat = now end
local k, wait = 0, 0
if cool > now then wait = math.ceil(cool - now)
elseif want > 0 and grant <= flight and wantc > 0 then wait = 500   -- tokens it could not use are left to the others
elseif want > 0 then
  k = math.max(0, math.min(want, math.floor((now + tau - tat) / em + 1e-6)))
  if k == 0 then wait = math.max(1, math.ceil(tat + em - tau - now)) end
end
c('HSET', K, 'tat', string.format('%.3f', tat + k * em), 'rate', rate, 'rmax', rmax, 'cmax', cmax, 'cceil', cceil)
c('PEXPIRE', K, 86400000)
return { k, wait, grant, gen, math.floor(rate * 1000 + 0.5), cmax, demand, math.max(0, math.ceil(cool - now)) }
