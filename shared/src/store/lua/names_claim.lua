-- Names a phase of a job is going to write: while it has them no other job writes them, on any worker, of any tenant of ours.
-- KEYS[1] L   ARGV: who ttl_ms name*    who = job|phase; names are hashes; ttl from now on, for all names of `who`
-- -> {OURS} all were its own before | {NEW} some are so only now | {TAKEN who i} another has the i-th (from 1): nothing changed
local L, c = KEYS[1], redis.call
local t = c('TIME'); local now = t[1] * 1000 + math.floor(t[2] / 1000)
local who, ttl, W = ARGV[1], tonumber(ARGV[2]), L..'writers'
for _, w in ipairs(c('ZRANGEBYSCORE', W, '-inf', now)) do c('ZREM', W, w); c('UNLINK', L..'names:'..w) end
for _, w in ipairs(c('ZRANGE', W, 0, -1)) do
  if w ~= who then
    for i, has in ipairs(c('SMISMEMBER', L..'names:'..w, unpack(ARGV, 3))) do
      if has == 1 then return { 'TAKEN', w, tostring(i) } end
    end
  end
end
local new = c('SADD', L..'names:'..who, unpack(ARGV, 3))
c('PEXPIRE', L..'names:'..who, ttl)
c('ZADD', W, now + ttl, who); c('PEXPIRE', W, 86400000)
return { new > 0 and 'NEW' or 'OURS' }
