-- Heals one job and the partition's counters after somebody broke them by hand (XGROUP DELCONSUMER, XDEL, DEL of a queue).
-- Law: every unfinished unit is in exactly one of: the stream, `delayed`, its lane's queue, or parked because the job is held.
-- KEYS[1] P   ARGV: job   -> number of repairs. No event.
local job, fixed, ms = ARGV[1], 0, now()
local j = J(job)
-- 1. the stream is short (<= depth + hand-backs): find ghosts (delivered, but in nobody's pending list), rebuild tin
local have, tin, last = {}, {}, '0-0'
local function fields(e) local m = {}; for i = 1, #e[2], 2 do m[e[2][i]] = e[2][i + 1] end; return m end
for _, g in ipairs(call('XINFO', 'GROUPS', WORK)) do
  local d = {}
  for i = 1, #g, 2 do d[g[i]] = g[i + 1] end
  if d.name == G then last = d['last-delivered-id'] end
end
for _, e in ipairs(call('XRANGE', WORK, '-', last)) do
  if #call('XPENDING', WORK, G, e[1], e[1], 1) == 0 then
    local m = fields(e)
    call('XDEL', WORK, e[1])
    local id = call('XADD', WORK, '*', 'j', m.j, 'ph', m.ph, 'b', m.b, 'l', m.l, 'w', m.w)
    local r = rec_get(m.j, m.ph, m.b)
    if r and r.entry == e[1] then r.entry, r.st, r.token = id, 'Q', ''; rec_set(m.j, m.ph, m.b, r) end
    fixed = fixed + 1
  end
end
for _, e in ipairs(call('XRANGE', WORK, '-', '+')) do
  local m = fields(e)
  have[unit(m.j, m.ph, m.b)] = e[1]; tin[m.l] = (tin[m.l] or 0) + tonumber(m.w)
end
call('DEL', P..'tin')
for l, n in pairs(tin) do call('HSET', P..'tin', l, n) end
-- 2. the job's units
local f = call('HMGET', j, 'status', 'lane', 'held', 'trunc')
local lane = f[2]
if f[1] == 'RUNNING' or f[1] == 'PENDING' or f[1] == 'CANCELLING' or f[1] == 'PAUSED' then
  local inq = {}
  for _, it in ipairs(call('LRANGE', P..'tq:'..lane, 0, -1)) do inq[it] = true end
  local function lost(ph, b)                                        -- a released unit that is nowhere
    local m = unit(job, ph, b)
    if have[m] or inq[m] or call('ZSCORE', P..'delayed', m) then return false end
    local r = rec_get(job, ph, b)
    if r and r.st == 'W' and f[3] and not f[4] and call('SISMEMBER', j..':pk', ph..'|'..b) == 1 then return false end
    if not r then
      local p = call('HMGET', PH(job, ph), 'tasks', 'bsize')
      r = { st = 'Q', token = '', entry = '', claims = 0, crashes = 0, w = b == -1 and 1 or batch_weight(p[1], p[2], b) }
    end
    unpark(lane, job, ph, b, r)
    fixed = fixed + 1
    return true
  end
  for _, ph in ipairs(phases_of(job)) do
    local p = call('HMGET', PH(job, ph), 'st', 'next', 'batches', 'dropped', 'bdone')
    local item = job..'|'..ph
    if p[1] == 'PLANNING' and not (inq[item] or inq[item..'|-1'] or have[item..'|-1'] or p[4] or call('ZSCORE', P..'delayed', item..'|-1')) then
      plan_over(job, ph)
      if f[4] then phase_end(job, ph, 'CANCELLED', ms) elseif f[3] then call('HSET', PH(job, ph), 'dropped', 1) else queue(lane, job, ph) end
      fixed = fixed + 1
    elseif p[1] == 'RUNNING' then
      for b = 0, num(p[2]) - 1 do
        if call('HEXISTS', j..':out:'..ph, b) == 0 then lost(ph, b) end
      end
      -- in sequence: between two batches nothing is queued, the end of the running one does it
      local waits = call('HGET', j..':dag', 'seq:'..ph) and num(p[2]) ~= num(p[5])
      if num(p[2]) < num(p[3]) and not waits and not inq[item] and not p[4] then
        if f[3] then call('HSET', PH(job, ph), 'dropped', 1) else queue(lane, job, ph) end
        fixed = fixed + 1
      end
    end
  end
end
if lane then ring_add(lane) end
for l in pairs(tin) do ring_add(l) end
pump(32)
return fixed
