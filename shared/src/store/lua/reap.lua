-- Drops consumers that own nothing and whose worker is gone. DELCONSUMER with pending entries would lose them for good.
-- KEYS[1] P   ARGV: min_idle_ms
-- -> names dropped. No event.
local gone, ms = {}, now()
for _, c in ipairs(call('XINFO', 'CONSUMERS', WORK, G)) do
  local d = {}
  for i = 1, #c, 2 do d[c[i]] = c[i + 1] end
  local alive = num(call('ZSCORE', P..'workers', d.name)) > ms
  if d.pending == 0 and not alive and d.idle >= tonumber(ARGV[1]) then
    call('XGROUP', 'DELCONSUMER', WORK, G, d.name); gone[#gone + 1] = d.name
  end
end
return gone
