-- The one commit point: outcomes, counters, created resources, errors, events, the entry's end, the graph's advance, the next batches.
-- KEYS[1] P   ARGV: job ph b token blob done failed skipped unknown cancelled resources-json errors-json error-count facts('' none) dlq('' none)
--   resources-json {"<kind>|c": n, "<kind>|a": n}; errors-json [string…] (a sample)
-- -> {OK failed+unknown(since the last resume) settled expected} | {DONE} accepted before | {FENCED} another's | {GONE}
-- Events: job.progress (at most one a second), phase.*, job.*
local job, ph, b = ARGV[1], ARGV[2], ARGV[3]
local j, r = J(job), rec_get(job, ph, b)
if not r then return { call('HEXISTS', j..':out:'..ph, b) == 1 and 'DONE' or 'GONE' } end
if r.token ~= ARGV[4] then return { 'FENCED' } end
local resources, errors, ms = cjson.decode(ARGV[11]), cjson.decode(ARGV[12]), now()
local lane = call('HGET', j, 'lane')
if not lane then return { 'GONE' } end
call('HSET', j..':out:'..ph, b, ARGV[5])
call('HDEL', j..':b:'..ph, b); call('UNLINK', j..':ck:'..ph..':'..b)
deq(lane, r.entry, r.w)
for i, name in ipairs(COUNTS) do
  local n = tonumber(ARGV[5 + i])
  if n > 0 then call('HINCRBY', j, name, n); call('HINCRBY', PH(job, ph), name, n) end
end
for kind, n in pairs(resources) do call('HINCRBY', j, 'rc|'..kind, n) end
if tonumber(ARGV[13]) > 0 then
  call('HINCRBY', j, 'errs', ARGV[13])
  local room = 100 - call('LLEN', j..':err')
  for i, e in ipairs(errors) do if i <= room then call('RPUSH', j..':err', e) end end
end
if ARGV[14] ~= '' then call('HSET', PH(job, ph), 'f:'..b, ARGV[14]) end
if ARGV[15] ~= '' then
  call('XADD', P..'dlq', 'MAXLEN', '~', 10000, '*', 'j', job, 'ph', ph, 'b', b, 'l', lane, 'crashes', r.crashes, 'why', ARGV[15])
end
call('HSET', j, 'updated', ms)
touch(job, ms)
call('HINCRBY', PH(job, ph), 'bdone', 1)
local f = call('HMGET', PH(job, ph), 'failed', 'unknown', 'tol')
if call('HGET', j..':dag', 'crit:'..ph) and num(f[1]) + num(f[2]) > num(f[3]) then truncate(job, 'CRITICAL', ms) end
local totals = call('HMGET', j, 'failed', 'unknown', 'done', 'skipped', 'expected', 'tasks', 'fbase')
if not phase_done(job, ph, ms) then
  local p = call('HMGET', PH(job, ph), 'st', 'next', 'batches')
  if p[1] == 'RUNNING' and num(p[2]) < num(p[3]) and call('HGET', j..':dag', 'seq:'..ph) then queue(lane, job, ph) end
end
progress(job, ms)
ring_add(lane); pump(8)
return { 'OK', num(totals[1]) + num(totals[2]) - num(totals[7]), num(totals[1]) + num(totals[2]) + num(totals[3]) + num(totals[4]),
  math.max(num(totals[5]), num(totals[6])) }
