-- What a partition looks like now, for metrics, without its jobs. Reads only, and looks at no more than `max` workers.
-- KEYS[1] P   ARGV: max
-- -> {name value}*   ages in ms, -1 when there is nothing to have one; stats|<field> for each there is. No event.
local max, ms, out = ARGV[1], now(), {}
local function put(name, value) out[#out + 1] = name; out[#out + 1] = tostring(value) end
local function age(id) return id and math.max(0, ms - tonumber(string.match(id, '^(%d+)'))) or -1 end
local depth, held, oldest, delivered = call('XLEN', WORK), 0, nil, '0-0'
if call('EXISTS', WORK) == 1 then
  for _, g in ipairs(call('XINFO', 'GROUPS', WORK)) do
    local d = {}
    for i = 1, #g, 2 do d[g[i]] = g[i + 1] end
    if d.name == G then
      delivered = d['last-delivered-id']
      local p = call('XPENDING', WORK, G)
      held, oldest = p[1], p[2]
    end
  end
end
-- an entry that ended is deleted, so what is neither pending nor gone has not been delivered: the group's lag
local waiting = math.max(0, depth - held)
local first = waiting > 0 and call('XRANGE', WORK, '('..delivered, '+', 'COUNT', 1)[1]
put('stream', depth); put('in_flight', held); put('waiting', waiting)
put('in_flight_age', age(oldest)); put('waiting_age', age(first and first[1]))
local tasks = 0
for _, n in ipairs(call('HVALS', P..'tin')) do tasks = tasks + n end
put('tasks_in_stream', tasks)
put('parked', call('ZCARD', P..'delayed')); put('cooling', call('HLEN', P..'cool')); put('dead', call('XLEN', P..'dlq'))
local slots, busy = 0, 0
local workers = call('ZRANGEBYSCORE', P..'workers', ms, '+inf', 'LIMIT', 0, max)
for _, w in ipairs(workers) do
  local f = call('HMGET', P..'worker:'..w, 'slots', 'busy')
  slots, busy = slots + num(f[1]), busy + num(f[2])
end
put('workers', #workers); put('slots', slots); put('busy', busy)
local s = call('HGETALL', P..'stats')
for i = 1, #s, 2 do put('stats|'..s[i], s[i + 1]) end
return out
