-- Shared by every script of the batch protocol. KEYS[1] = P, the partition's prefix, e.g. "workflow:{p0}:"; every key below
-- carries its tag, so a script never leaves its slot. Rust decides, this keeps the books: tokens, counters, dependencies, queues.
-- Rules: read and check first, then write; no command that can fail after the first write; times are Redis' own, in ms.
local P, G = KEYS[1], 'workers'
local call = redis.call
local WORK = P..'work'
local function now() local t = call('TIME'); return t[1] * 1000 + math.floor(t[2] / 1000) end
local function J(job) return P..'jobs:'..job end
local function PH(job, ph) return P..'jobs:'..job..':ph:'..ph end
local function unit(job, ph, b) return job..'|'..ph..'|'..b end
local function num(v) return tonumber(v or 0) end
local function cfg(name, who, default)
  local v = call('HMGET', P..'cfg', name..':'..who, name)
  return tonumber(v[1] or v[2] or default)
end

-- ---- events: the log of the job, the log of the tenant (last hour each), and the feed as a wake-up --------------------------
local function emit(job, kind, data, ms)
  local t = call('HGET', J(job), 't') or ''
  local since = string.format('%.0f', ms - 3600000)
  local id = call('XADD', J(job)..':ev', 'MINID', '~', since, '*', 't', kind, 'd', data)
  call('XADD', P..'ev:t:'..t, 'MINID', '~', since, '*', 'j', job, 't', kind, 'd', data)
  call('EXPIRE', P..'ev:t:'..t, 3600)                               -- a tenant that is silent for so long has no event left to show
  call('XADD', P..'feed', 'MAXLEN', '~', 10000, '*', 'j', job, 'e', id, 't', kind, 'n', t)
end
local function job_event(job, status, ms, reason)
  emit(job, 'job.'..string.lower(status), cjson.encode({ job_id = job, status = status, reason = reason, at = ms }), ms)
end
local function phase_event(job, ph, status, ms)
  emit(job, 'phase.'..string.lower(status), cjson.encode({ job_id = job, phase = ph, status = status, at = ms }), ms)
end

-- ---- scheduling: a short stream with a fair queue in front of it -------------------------------------------------------------
-- A lane (tenant|controller) is in the ring  <=>  it has queued items, is under its caps, and does not cool down.
--   tin[lane]   tasks of the lane that are in the stream (queued or claimed)
--   pk:<lane>   units of the lane that are parked (waiting for an activity or a retry)
-- What is in flight is bounded by six seconds of the controller's rate: more would only hold slots while it waits for permits. And by
-- three quarters of the fleet's slots, in batches of 100 (`depth` is twice the slots): what is slower than its rate leaves others room.
-- What is parked is bounded by the batches that can be waiting for activities for as long as one may take (180 s).
-- Twice as much for what is small and waited for: a unit that comes back, a plan, the first batch of a phase. Without it each step
-- of a small job waits until a large one beside it leaves room.
local function begins(item)
  local job, ph = string.match(item, '^([^|]+)|([^|]+)$')
  local p = call('HMGET', PH(job, ph), 'st', 'next')
  return p[1] == 'PLANNING' or num(p[2]) == 0
end
local function lane_open(lane, head)
  local rate, tasks = cfg('rate', lane, 33), num(call('HGET', P..'tin', lane))
  local most, back = math.min(rate * 6 + 20, cfg('depth', '', 64) * 37), string.find(head, '^[^|]+|[^|]+|')
  if tasks >= most and (tasks >= 2 * most or not (back or begins(head))) then return false end
  if back then return true end                                         -- it frees what it holds
  return call('SCARD', P..'pk:'..lane) < 64 + math.ceil(rate * 1.8)
end
-- Puts the lane into the ring, or out of it: whatever changes its head, its room or its pause calls this.
local function ring_add(lane)
  local head = call('LINDEX', P..'tq:'..lane, 0)
  if call('HEXISTS', P..'cool', lane) == 1 then return end
  if not head or not lane_open(lane, head) then call('ZREM', P..'ring', lane); return end
  if call('ZSCORE', P..'ring', lane) then return end
  local v = call('HMGET', P..'vt', lane, '')
  call('ZADD', P..'ring', math.max(num(v[1]), num(v[2])), lane)
end
local function queue(lane, job, ph) call('RPUSH', P..'tq:'..lane, job..'|'..ph); ring_add(lane) end
-- the next phase of a job that has begun: its plan is small, and what has begun is finished first
local function queue_next(lane, job, ph) call('LPUSH', P..'tq:'..lane, job..'|'..ph); ring_add(lane) end
-- one entry of the work stream carries w tasks of its lane's tin
local function enq(lane, job, ph, b, w)
  call('HINCRBY', P..'tin', lane, w)
  return call('XADD', WORK, '*', 'j', job, 'ph', ph, 'b', b, 'l', lane, 'w', w)
end
local function deq(lane, entry, w)
  call('XACK', WORK, G, entry)
  if call('XDEL', WORK, entry) == 1 and call('HINCRBY', P..'tin', lane, -w) <= 0 then
    call('HDEL', P..'tin', lane)
    if call('LLEN', P..'tq:'..lane) == 0 then call('HDEL', P..'vt', lane) end
  end
end
-- batch record: state|token|entry|claims|crashes|weight      state: Q queued, R running, W waiting (parked)
local function rec_get(job, ph, b)
  local v = call('HGET', J(job)..':b:'..ph, b)
  if not v then return nil end
  local st, tok, e, c, k, w = string.match(v, '^(.)|([^|]*)|([^|]*)|(%d+)|(%d+)|(%d+)$')
  return { st = st, token = tok, entry = e, claims = tonumber(c), crashes = tonumber(k), w = tonumber(w) }
end
local function rec_set(job, ph, b, r)
  call('HSET', J(job)..':b:'..ph, b, r.st..'|'..r.token..'|'..r.entry..'|'..r.claims..'|'..r.crashes..'|'..r.w)
end
-- Whether checkpoints (index value)* from ARGV[first] on tell of progress: takeovers before it were not the fault of the remaining work.
-- An intent (SENT) is none: a task that kills its worker leaves one each time, and would never be given up. Nor is the note of a batch
-- that could not be run, at the index no task has.
local function progress_in(first)
  for i = first + 1, #ARGV, 2 do
    if string.sub(ARGV[i], 1, 8) ~= '{"s":"S"' and ARGV[i - 1] ~= '4294967295' then return true end
  end
  return false
end
-- tasks of batch b of a planned phase: all are full but the last
local function batch_weight(p_tasks, p_bsize, b)
  return math.max(1, math.min(num(p_bsize), num(p_tasks) - b * num(p_bsize)))
end
-- Releases the next fairest units while the stream is shallower than `depth`.
local function pump(max)
  local n, guard, depth = 0, max * 4 + 16, cfg('depth', '', 64)
  while n < max and guard > 0 and call('XLEN', WORK) < depth do
    guard = guard - 1
    local h = call('ZRANGE', P..'ring', 0, 0, 'WITHSCORES')
    if #h == 0 then break end
    local lane, vt = h[1], tonumber(h[2])
    local tq = P..'tq:'..lane
    call('ZREM', P..'ring', lane)
    call('HSET', P..'vt', '', vt)
    local item = call('LINDEX', tq, 0)
    if item and call('HEXISTS', P..'cool', lane) == 0 and lane_open(lane, item) then
      local job, ph, b = string.match(item, '^([^|]+)|([^|]+)|?(%-?%d*)$')
      local released = false
      if b ~= '' then                                               -- a unit that was parked or handed back
        call('LPOP', tq)
        local r = rec_get(job, ph, b)
        if r and r.st == 'Q' and r.entry == '' then
          r.entry = enq(lane, job, ph, b, r.w); rec_set(job, ph, b, r); released = true
        end
      else
        local jf = call('HMGET', J(job), 'status', 'held')
        local p = call('HMGET', PH(job, ph), 'st', 'next', 'batches', 'bdone', 'tasks', 'bsize')
        local last = true
        if not jf[1] then                                           -- the job's keys are gone
        elseif jf[2] then call('HSET', PH(job, ph), 'dropped', 1)   -- held: `resume` queues it again
        elseif p[1] == 'PLANNING' then enq(lane, job, ph, -1, 1); released = true
        elseif p[1] == 'RUNNING' and num(p[2]) < num(p[3]) then
          local seq = call('HGET', J(job)..':dag', 'seq:'..ph)
          if not seq or num(p[4]) == num(p[2]) then
            local nb = tonumber(p[2])
            call('HINCRBY', PH(job, ph), 'next', 1)
            enq(lane, job, ph, nb, batch_weight(p[5], p[6], nb)); released = true
            last = seq or nb + 1 >= num(p[3])                       -- in sequence: the end of this batch queues the next
          end
        end
        if last then call('LPOP', tq) else call('LMOVE', tq, tq, 'LEFT', 'RIGHT') end
      end
      if released then
        n = n + 1
        call('HSET', P..'vt', lane, vt + 1 / cfg('weight', string.match(lane, '^[^|]*'), 1))
      end
    end
    ring_add(lane)
  end
  return n
end

-- The plan's unit is over: published, dropped or ended.
local function plan_over(job, ph)
  call('HDEL', J(job)..':b:'..ph, '-1')
  call('UNLINK', J(job)..':ck:'..ph..':-1')
end

-- ---- parking ----------------------------------------------------------------------------------------------------------------
-- J:pk holds every parked unit of the job, so that cancel and resume never scan `delayed`.
local function unpark(lane, job, ph, b, r)
  local m = unit(job, ph, b)
  call('ZREM', P..'delayed', m); call('SREM', J(job)..':pk', ph..'|'..b); call('SREM', P..'pk:'..lane, m)
  r.st, r.token, r.entry = 'Q', '', ''
  rec_set(job, ph, b, r)
  call('LPUSH', P..'tq:'..lane, m)                                  -- at the head: what has begun is finished first
  ring_add(lane)
end
local function unpark_all(lane, job)
  for _, m in ipairs(call('SMEMBERS', J(job)..':pk')) do
    local ph, b = string.match(m, '^([^|]+)|(%-?%d+)$')
    local r = rec_get(job, ph, b)
    if r and r.st == 'W' then unpark(lane, job, ph, b, r) else call('SREM', J(job)..':pk', m) end
  end
end

-- ---- the graph --------------------------------------------------------------------------------------------------------------
local function phases_of(job)
  local out = {}
  for ph in string.gmatch(call('HGET', J(job)..':dag', 'order') or '', '[^,]+') do out[#out + 1] = ph end
  return out
end
local function job_keys(job)
  local j, keys = J(job), {}
  for _, s in ipairs({ '', ':dag', ':ev', ':err', ':input', ':inputsec' }) do keys[#keys + 1] = j..s end
  for _, ph in ipairs(phases_of(job)) do
    for _, s in ipairs({ ':ph:', ':in:', ':sec:', ':out:', ':b:' }) do keys[#keys + 1] = j..s..ph end
  end
  return keys
end
-- A job that is to be confirmed is nobody's work yet; it is held for as long as an ended one is kept (`tick` ends it).
local function confirm_by(job)
  local f = call('HMGET', J(job), 'confirm_by', 'created', 'ttl')
  local by = f[1] or num(f[2]) + num(f[3]) * 1000
  if not f[1] then call('HSET', J(job), 'confirm_by', by) end
  call('ZADD', P..'deadlines', 'NX', by, job)
end
-- Counters for metrics, by workflow, since the database was set up. A job's duration is counted in the first bucket it fits.
local DURATIONS = { 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400 }
local function tally_end(wf, st, took_ms)
  call('HINCRBY', P..'stats', 'ended|'..wf..'|'..st, 1)
  if not took_ms then return end
  local i = 1
  while DURATIONS[i] and took_ms > DURATIONS[i] * 1000 do i = i + 1 end
  call('HINCRBY', P..'stats', 'took|'..wf..'|'..i, 1); call('HINCRBY', P..'stats', 'took_ms|'..wf, took_ms)
end
-- The job has ended: its state is final and its keys begin to age. Of what is done, and of a plan, nothing is retried: its input is not
-- needed any more.
local function finish_job(job, ms)
  local j = J(job)
  local f = call('HMGET', j, 'trunc', 'failed', 'unknown', 'phase_failed', 'ttl', 'wf', 'started', 'why', 'plan')
  local st = f[1] == 'CANCEL' and 'CANCELLED' or f[1] and 'FAILED'
    or ((num(f[2]) > 0 or num(f[3]) > 0 or f[4]) and 'PARTIAL') or 'COMPLETED'
  call('HSET', j, 'status', st, 'completed', ms, 'updated', ms)
  call('HDEL', j, 'held')
  for _, z in ipairs({ 'dirty', 'deadlines', 'active', 'checks' }) do call('ZREM', P..z, job) end
  call('UNLINK', j..':pk')
  if st == 'COMPLETED' or f[9] then call('UNLINK', j..':input', j..':inputsec') end
  job_event(job, st, ms, f[8] or f[1])
  tally_end(f[6] or '', st, f[7] and math.max(0, ms - num(f[7])))
  for _, k in ipairs(job_keys(job)) do call('EXPIRE', k, num(f[5])) end
end
-- How a planned phase whose batches are all done has ended.
local function end_state(job, ph)
  local p = call('HMGET', PH(job, ph), 'failed', 'unknown', 'tol', 'cancelled')
  local trunc, crit = call('HGET', J(job), 'trunc'), call('HGET', J(job)..':dag', 'crit:'..ph)
  local failed = num(p[1]) + num(p[2]) > num(p[3])
  if failed and (crit or not trunc) then return 'FAILED' end
  if trunc and num(p[4]) > 0 then return 'CANCELLED' end
  return failed and 'FAILED' or 'COMPLETED'
end
local truncate
local function phase_end(job, ph, st, ms)
  local j = J(job)
  local todo, i = { { ph, st } }, 1
  while i <= #todo do
    local p, s = todo[i][1], todo[i][2]; i = i + 1
    local was = call('HGET', PH(job, p), 'st')
    if was == 'PENDING' or was == 'PLANNING' or was == 'RUNNING' then
      call('HSET', PH(job, p), 'st', s, 'completed', ms)
      plan_over(job, p)
      phase_event(job, p, s, ms)
      local left = call('HINCRBY', j, 'phases_left', -1)
      if s == 'FAILED' then
        call('HSET', j, 'phase_failed', p)
        if call('HGET', j..':dag', 'crit:'..p) then truncate(job, 'CRITICAL', ms) end
      end
      for d in string.gmatch(call('HGET', j..':dag', 'next:'..p) or '', '[^,]+') do
        if call('HINCRBY', j..':dag', 'deps:'..d, -1) == 0 then
          local f = call('HMGET', j, 'trunc', 'held', 'lane')
          if f[1] then todo[#todo + 1] = { d, 'CANCELLED' }
          else
            call('HSET', PH(job, d), 'st', 'PLANNING', 'started', ms)
            if f[2] then call('HSET', PH(job, d), 'dropped', 1) else queue_next(f[3], job, d) end
          end
        end
      end
      if left == 0 then finish_job(job, ms) end
    end
  end
end
-- Cuts a job short: what was never released is counted as cancelled, what was released is settled by workers.
truncate = function(job, reason, ms)
  local j = J(job)
  local f = call('HMGET', j, 'trunc', 'lane', 'status')
  if f[1] then return end
  local lane = f[2]
  call('HSET', j, 'trunc', reason, 'updated', ms)
  -- a held job whose last calls were one failure too many: it settles now, nothing can resume it, and it is watched again
  if f[3] == 'PAUSED' then call('HSET', j, 'status', 'RUNNING') end
  call('ZADD', P..'active', ms, job)
  call('HDEL', j, 'held', 'confirm_by', 'checking')
  local ends = {}
  for _, ph in ipairs(phases_of(job)) do
    local p = call('HMGET', PH(job, ph), 'st', 'next', 'batches', 'bdone', 'tasks', 'bsize', 'dropped')
    if p[1] == 'RUNNING' then
      local nb, all, cut = num(p[2]), num(p[3]), 0
      if nb < all then cut = num(p[5]) - nb * num(p[6]) end
      call('HSET', PH(job, ph), 'batches', nb, 'cut', all - nb)
      if cut > 0 then call('HINCRBY', PH(job, ph), 'cancelled', cut); call('HINCRBY', j, 'cancelled', cut) end
      call('LREM', P..'tq:'..lane, 0, job..'|'..ph)
      if num(p[4]) >= nb then ends[#ends + 1] = ph end
    elseif p[1] == 'PLANNING' then
      if call('LREM', P..'tq:'..lane, 0, job..'|'..ph) > 0 or p[7] then ends[#ends + 1] = ph end
    end
  end
  unpark_all(lane, job)
  ring_add(lane)
  for _, ph in ipairs(ends) do
    phase_end(job, ph, call('HGET', PH(job, ph), 'st') == 'RUNNING' and end_state(job, ph) or 'CANCELLED', ms)
  end
end

-- ---- counting ---------------------------------------------------------------------------------------------------------------
local COUNTS = { 'done', 'failed', 'skipped', 'unknown', 'cancelled' }
local function touch(job, ms) call('ZADD', P..'active', 'XX', ms, job) end
-- at most one job.progress a second; the last numbers are always flushed by `tick`
local function progress(job, ms)
  local j = J(job)
  local f = call('HMGET', j, 'done', 'failed', 'skipped', 'unknown', 'cancelled', 'tasks', 'expected', 'pg', 'status')
  if f[9] ~= 'RUNNING' and f[9] ~= 'CANCELLING' and f[9] ~= 'PAUSED' then return end
  -- high-water mark in tenths of a percent: a plan that is larger than foreseen does not turn the percentage back
  local settled, total = num(f[1]) + num(f[2]) + num(f[3]) + num(f[4]) + num(f[5]), math.max(num(f[6]), num(f[7]), 1)
  local mark = math.floor(settled * 1000 / total)
  if mark > num(call('HGET', j, 'mark')) then call('HSET', j, 'mark', mark) end
  if ms - num(f[8]) >= 1000 then
    call('HSET', j, 'pg', ms); call('ZREM', P..'dirty', job)
    emit(job, 'job.progress', cjson.encode({ job_id = job, completed = num(f[1]), failed = num(f[2]), skipped = num(f[3]),
      unknown = num(f[4]), cancelled = num(f[5]), total = math.max(num(f[6]), num(f[7])), at = ms }), ms)
  else call('ZADD', P..'dirty', 'NX', num(f[8]) + 1000, job) end
end
-- Ends the phase when its batches are all done.
local function phase_done(job, ph, ms)
  local p = call('HMGET', PH(job, ph), 'batches', 'bdone')
  if num(p[1]) ~= num(p[2]) then return false end
  phase_end(job, ph, end_state(job, ph), ms)
  return true
end
