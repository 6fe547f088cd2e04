-- A person's call (or the failure budget's, or a refused login's): pause, resume, confirm, cancel. And what has come of the plan that a
-- held job was to follow: plan_same (it begins, or is left to be confirmed) and plan_other (it is cancelled; reason = why).
-- KEYS[1] P   ARGV: job call(pause|resume|confirm|cancel|plan_same|plan_other) reason tenant('' any)
-- -> {DONE status} | {ALREADY status} (repeating changes nothing) | {REFUSED status} | {GONE} (also another tenant's)
--   of confirm also: CHECKING job (that job makes the plan anew)
-- Events: job.paused | job.resumed | job.pending | job.cancelling | job.cancelled
local job, what, reason, j, ms = ARGV[1], ARGV[2], ARGV[3], J(ARGV[1]), now()
local f = call('HMGET', j, 'status', 'lane', 'held', 'trunc', 'deadline', 'left', 'started', 't')
local st, lane = f[1], f[2]
if not st or ((ARGV[4] or '') ~= '' and ARGV[4] ~= f[8]) then return { 'GONE' } end
local function requeue()
  for _, ph in ipairs(phases_of(job)) do
    local p = call('HMGET', PH(job, ph), 'st', 'next', 'batches', 'dropped')
    call('HDEL', PH(job, ph), 'dropped')
    if p[1] == 'PLANNING' and p[4] or p[1] == 'RUNNING' and num(p[2]) < num(p[3]) and p[4] then
      call('LREM', P..'tq:'..lane, 0, job..'|'..ph); queue(lane, job, ph)
    end
  end
end
if what == 'pause' then
  if st == 'PAUSED' then return { 'ALREADY', st } end
  if (st ~= 'PENDING' and st ~= 'RUNNING') or f[4] then return { 'REFUSED', st } end
  call('HSET', j, 'status', 'PAUSED', 'held', reason, 'updated', ms, 'paused_at', ms)
  if f[5] then call('HSET', j, 'left', math.max(0, num(f[5]) - ms)) end
  call('ZREM', P..'deadlines', job); call('ZREM', P..'active', job)
  emit(job, 'job.paused', cjson.encode({ job_id = job, status = 'PAUSED', reason = reason, at = ms }), ms)
elseif what == 'resume' then
  if st ~= 'PAUSED' then return { 'REFUSED', st } end
  st = f[7] and 'RUNNING' or 'PENDING'
  call('HSET', j, 'status', st, 'updated', ms)
  call('HDEL', j, 'held', 'paused_at')
  -- the failure budget is judged anew: what had failed was seen by whoever resumed
  local b = call('HMGET', j, 'failed', 'unknown')
  call('HSET', j, 'fbase', num(b[1]) + num(b[2]))
  if f[6] then
    call('HSET', j, 'deadline', ms + num(f[6])); call('HDEL', j, 'left')
    call('ZADD', P..'deadlines', ms + num(f[6]), job)
  end
  call('ZADD', P..'active', ms, job)
  requeue(); unpark_all(lane, job)
  emit(job, 'job.resumed', cjson.encode({ job_id = job, status = st, at = ms }), ms)
  pump(16)
  return { 'DONE', st }
elseif what == 'confirm' or what == 'plan_same' then
  local c = call('HMGET', j, 'checking', 'check', 'ask')
  if what == 'plan_same' and not c[1] then return { 'ALREADY', st } end
  if st ~= 'AWAITING_CONFIRMATION' then return { 'REFUSED', st } end
  if what == 'confirm' and c[1] then return { 'CHECKING', c[2] } end
  call('HDEL', j, 'checking'); call('ZREM', P..'checks', job)
  if what == 'plan_same' and c[3] then return { 'DONE', st } end
  call('HSET', j, 'status', 'PENDING', 'updated', ms)
  call('ZREM', P..'deadlines', job)                                 -- that to confirm it by; its own begins with the first claim
  call('HDEL', j, 'confirm_by')
  call('ZADD', P..'active', ms, job)
  requeue()
  job_event(job, 'PENDING', ms)
  pump(16)
else
  if st == 'CANCELLING' or st == 'CANCELLED' or f[4] and st == 'RUNNING' then return { 'ALREADY', st } end
  if (st ~= 'AWAITING_CONFIRMATION' and st ~= 'PENDING' and st ~= 'RUNNING' and st ~= 'PAUSED') then return { 'REFUSED', st } end
  if what == 'plan_other' then
    if call('HEXISTS', j, 'checking') == 0 then return { 'ALREADY', st } end
    call('HSET', j, 'why', reason)
  end
  call('HSET', j, 'status', 'CANCELLING')
  call('ZREM', P..'deadlines', job)
  job_event(job, 'CANCELLING', ms, reason)
  truncate(job, 'CANCEL', ms); progress(job, ms)
  pump(16)
end
return { 'DONE', call('HGET', j, 'status') }
