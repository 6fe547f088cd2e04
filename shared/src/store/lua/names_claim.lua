-- Names for which a job has a claim, on any worker, of any tenant of ours: to write them, to rely on them, to take them away.
-- KEYS[1] L   ARGV: who ttl_ms job_ttl_ms needs looks member*    who = job|phase, or job|* for all of a job; ttls from now on, for all
--             that `who` has, and for all that its job has; needs = 1: not without what its job has as a whole; the first `looks`
--             members are what no other may have, the rest, perhaps none, is what `who` gets
-- -> {OURS} all were its own before | {NEW} some are so only now | {LOST} its job as a whole has nothing | {TAKEN who i} another has
--   the i-th (from 1). LOST, TAKEN: nothing is claimed. What the job as a whole has is kept in any case
local L, c = KEYS[1], redis.call
local t = c('TIME'); local now = t[1] * 1000 + math.floor(t[2] / 1000)
local who, ttl, whole_ttl, last, W = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), 5 + ARGV[5], L..'writers'
local job = string.match(who, '^[^|]*|'); local whole = job..'*'
for _, w in ipairs(c('ZRANGEBYSCORE', W, '-inf', now)) do c('ZREM', W, w); c('UNLINK', L..'names:'..w) end
-- also while it waits: its job lives
if who ~= whole and c('ZADD', W, 'XX', 'CH', now + whole_ttl, whole) == 1 then c('PEXPIRE', L..'names:'..whole, whole_ttl) end
if ARGV[4] == '1' and not c('ZSCORE', W, whole) then return { 'LOST' } end
-- a thousand at a time: all of them fit no stack
for _, w in ipairs(c('ZRANGE', W, 0, -1)) do
  -- what all of a job has is no hindrance to its phases, nor the other way round
  local own = w == who or w == whole or (who == whole and string.sub(w, 1, #job) == job)
  for at = 6, own and 0 or last, 1000 do
    for i, has in ipairs(c('SMISMEMBER', L..'names:'..w, unpack(ARGV, at, math.min(at + 999, last)))) do
      if has == 1 then return { 'TAKEN', w, tostring(at - 6 + i) } end
    end
  end
end
local new = 0
for at = last + 1, #ARGV, 1000 do new = new + c('SADD', L..'names:'..who, unpack(ARGV, at, math.min(at + 999, #ARGV))) end
c('PEXPIRE', L..'names:'..who, ttl)
c('ZADD', W, now + ttl, who); c('PEXPIRE', W, 86400000)
return { new > 0 and 'NEW' or 'OURS' }
