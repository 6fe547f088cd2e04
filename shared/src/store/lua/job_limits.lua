-- What limits jobs at a worker, in a word each; read for a few seconds, then forgotten. Goes through when memory is full, to say so.
-- KEYS[1] P   ARGV: (job what)*
-- -> number noted: a job that has just expired is not brought back. No event.
local noted, ms = 0, now()
for i = 1, #ARGV, 2 do
  if call('EXISTS', J(ARGV[i])) == 1 then
    call('HSET', J(ARGV[i]), 'lim', ARGV[i + 1], 'lim_at', ms); noted = noted + 1
  end
end
return noted
