-- What time brings: due parked units, progress not yet told, deadlines, lanes that have cooled down, the stream's depth, the index.
-- KEYS[1] P   ARGV: max(units per call) stall_ms index-cursor
-- -> {next due in ms or -1, next index-cursor, stalled job*}   stalled: unfinished jobs without a sign of life for stall_ms
-- Events: job.progress, and what follows from a deadline (reason TIMEOUT; of a job that nobody confirmed in time NOT_CONFIRMED)
local ms = now()
for _, m in ipairs(call('ZRANGEBYSCORE', P..'delayed', '-inf', ms, 'LIMIT', 0, ARGV[1])) do
  local job, ph, b = string.match(m, '^([^|]+)|([^|]+)|(%-?%d+)$')
  local r, lane = rec_get(job, ph, b), call('HGET', J(job), 'lane')
  if r and lane and r.st == 'W' then unpark(lane, job, ph, b, r)
  else
    call('ZREM', P..'delayed', m)
    if lane then call('SREM', P..'pk:'..lane, m); ring_add(lane) end
  end
end
for _, job in ipairs(call('ZRANGEBYSCORE', P..'dirty', '-inf', ms, 'LIMIT', 0, ARGV[1])) do
  call('ZREM', P..'dirty', job)
  if call('EXISTS', J(job)) == 1 then progress(job, ms) end
end
for _, job in ipairs(call('ZRANGEBYSCORE', P..'deadlines', '-inf', ms, 'LIMIT', 0, 10)) do
  call('ZREM', P..'deadlines', job)
  local st = call('HGET', J(job), 'status')
  if st == 'AWAITING_CONFIRMATION' then
    call('HSET', J(job), 'status', 'CANCELLING', 'why', 'NOT_CONFIRMED')
    job_event(job, 'CANCELLING', ms, 'NOT_CONFIRMED')
    truncate(job, 'CANCEL', ms)                                     -- nothing of it was released: it ends here and now
  elseif st then truncate(job, 'TIMEOUT', ms); progress(job, ms) end
end
local soonest = -1
local function due(at) at = math.max(0, at - ms); if soonest < 0 or at < soonest then soonest = at end end
local cool = call('HGETALL', P..'cool')
for i = 1, #cool, 2 do
  if tonumber(cool[i + 1]) <= ms then call('HDEL', P..'cool', cool[i]); ring_add(cool[i]) else due(tonumber(cool[i + 1])) end
end
if ms - cfg('depth_at', '', 0) >= 5000 then                         -- depth = twice the fleet's slots
  call('ZREMRANGEBYSCORE', P..'workers', '-inf', ms)
  local slots = 0
  for _, w in ipairs(call('ZRANGE', P..'workers', 0, -1)) do slots = slots + num(call('HGET', P..'worker:'..w, 'slots')) end
  call('HSET', P..'cfg', 'depth_at', ms, 'depth', math.min(4096, math.max(32, 2 * slots)))
end
pump(32)
-- the index drops a job when its hash is gone, not by age; a job that a version held which knew no time to confirm it by is given one
local s = call('ZSCAN', P..'index', ARGV[3], 'COUNT', 20)
for i = 1, #s[2], 2 do
  local t, job = string.match(s[2][i], '^([^|]*)|(.+)$')
  local st = job and call('HGET', J(job), 'status')
  if job and not st then call('ZREM', P..'index', s[2][i]); call('ZREM', P..'index:t:'..t, job)
  elseif st == 'AWAITING_CONFIRMATION' then confirm_by(job) end
end
local h = call('ZRANGE', P..'delayed', 0, 0, 'WITHSCORES')
if #h > 0 then due(tonumber(h[2])) end
local out = { soonest, s[1] }
for _, job in ipairs(call('ZRANGEBYSCORE', P..'active', '-inf', ms - tonumber(ARGV[2]), 'LIMIT', 0, 5)) do
  call('ZADD', P..'active', ms, job)
  out[#out + 1] = job
end
return out
