-- What became of activities: kept for 15 minutes for whoever runs their batch, and taken off the pending list.
-- KEYS[1] L   ARGV: (request-id result-json('' = only forget))*
-- -> number settled
local L, c, n = KEYS[1], redis.call, 0
for i = 1, #ARGV, 2 do
  if ARGV[i + 1] ~= '' then c('SET', L..'settled:'..ARGV[i], ARGV[i + 1], 'EX', 900); n = n + 1 end
  c('HDEL', L..'pending', ARGV[i])
end
return n
