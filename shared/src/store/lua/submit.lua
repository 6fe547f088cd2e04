-- Accepts a job: all of it or nothing.
-- KEYS[1] P   ARGV: job tenant lane idem-key('' none) body-hash dag-json chunks status(PENDING|AWAITING_CONFIRMATION)
--   of('' none, else the ended job that it is a retry of; `clean|<job>` of its cleanup, `look|<job>` of one that only plans,
--   `audit|<job>` of its audit, from PAUSED as well)
--   (field value)*
--   dag-json {phases:[{id,deps:[],crit,seq}]}; chunks = fields J:input must hold
-- -> OK | EXISTS job | REUSED job (same key, other body) | NOINPUT (the staged input is not whole)
--   with `of` also: GONE (no such job of this tenant) | REFUSED status (not from there) | RETRIED job | CLEANED job (that retry or
--   cleanup of it has not ended)
-- Events: job.pending | job.awaiting_confirmation
local job, t, lane, idem, hash = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local j, ms = J(job), now()
local how, cleaned = string.match(ARGV[9], '^(%a+)|(.+)$')
local before = cleaned or ARGV[9]
local stands, retried
local RETRIES_KEPT = 50
-- The retries of a job, the newest first. A version that knew only the latest one may have accepted that.
local function with_retries(latest, all)
  local list, n = job, 1
  if latest and string.match(all or '', '^[^,]*') ~= latest then all = latest..','..(all or '') end
  for id in string.gmatch(all or '', '[^,]+') do
    if n < RETRIES_KEPT then list, n = list..','..id, n + 1 end
  end
  return list
end
local function is_under_way(id)
  local st = id and call('HGET', J(id), 'status')
  return st and st ~= 'COMPLETED' and st ~= 'PARTIAL' and st ~= 'FAILED' and st ~= 'CANCELLED'
end
if idem ~= '' then
  local old = call('GET', P..'idem:'..t..':'..idem)
  if old then
    local id, h = string.match(old, '^([^|]+)|(.*)$')
    return { h == hash and 'EXISTS' or 'REUSED', id }
  end
end
if call('EXISTS', j) == 1 then return { 'EXISTS', job } end
if before ~= '' then
  local f = call('HMGET', J(before), 't', 'status', 'retried_by', 'cleaned_by', 'retries')
  if f[1] ~= t then return { 'GONE' } end
  stands, retried = f[2], with_retries(f[3], f[5])
  if not (how and f[2] == 'COMPLETED') and not (how == 'audit' and stands == 'PAUSED') then
    if f[2] ~= 'PARTIAL' and f[2] ~= 'FAILED' and f[2] ~= 'CANCELLED' then return { 'REFUSED', f[2] } end
  end
  if is_under_way(f[3]) then return { 'RETRIED', f[3] } end
  if is_under_way(f[4]) then return { 'CLEANED', f[4] } end
end
if call('HLEN', j..':input') ~= tonumber(ARGV[7]) then return { 'NOINPUT' } end
local dag, nxt, order = cjson.decode(ARGV[6]), {}, {}
if idem ~= '' then call('SET', P..'idem:'..t..':'..idem, job..'|'..hash, 'EX', 86400) end
call('HSET', j, unpack(ARGV, 10))
call('HSET', j, 't', t, 'lane', lane, 'status', ARGV[8], 'created', ms, 'updated', ms, 'phases_left', #dag.phases,
  'tasks', 0, 'done', 0, 'failed', 0, 'skipped', 0, 'unknown', 0, 'cancelled', 0, 'errs', 0)
if cleaned then
  if how == 'audit' then call('HSET', j, 'audit_of', before); call('HSET', J(before), 'audited_by', job)
  else call('HSET', j, 'cleanup_of', before) end
  if how == 'clean' then call('HSET', J(before), 'cleaned_by', job) end
  -- what is to be deleted or looked at is read from it: it does not go while that is done. What is paused has no time to live
  local ttl = num(call('HGET', J(before), 'ttl'))
  local keys = stands == 'PAUSED' and {} or job_keys(before)
  for _, k in ipairs(keys) do call('EXPIRE', k, ttl) end
elseif before ~= '' then
  call('HSET', j, 'resume_of', before); call('HSET', J(before), 'retried_by', job)
  call('HSET', J(before), 'retries', retried)
end
call('PERSIST', j..':input'); call('PERSIST', j..':inputsec')
for i, p in ipairs(dag.phases) do
  order[i] = p.id
  call('HSET', j..':dag', 'deps:'..p.id, #p.deps)
  if p.crit then call('HSET', j..':dag', 'crit:'..p.id, 1) end
  if p.seq then call('HSET', j..':dag', 'seq:'..p.id, 1) end
  for _, d in ipairs(p.deps) do nxt[d] = (nxt[d] and nxt[d]..',' or '')..p.id end
end
call('HSET', j..':dag', 'order', table.concat(order, ','))
for d, l in pairs(nxt) do call('HSET', j..':dag', 'next:'..d, l) end
for _, p in ipairs(dag.phases) do
  if #p.deps == 0 then
    call('HSET', PH(job, p.id), 'st', 'PLANNING', 'started', ms)
    if ARGV[8] == 'PENDING' then queue(lane, job, p.id) else call('HSET', PH(job, p.id), 'dropped', 1) end
  else call('HSET', PH(job, p.id), 'st', 'PENDING') end
end
call('ZADD', P..'index', ms, t..'|'..job); call('ZADD', P..'index:t:'..t, ms, job)
if ARGV[8] == 'PENDING' then call('ZADD', P..'active', ms, job) else confirm_by(job) end
if call('HEXISTS', j, 'check') == 1 then                            -- whoever submits it looks first; `checks` when that has died
  call('HSET', j, 'checking', 1); call('ZADD', P..'checks', ms + 15000, job)
end
job_event(job, ARGV[8], ms)
pump(16)
return { 'OK', job }
