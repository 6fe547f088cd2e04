-- Request ids to be asked after. A script, so that it goes through when memory is full: their writes have been accepted already.
-- KEYS[1] L   ARGV: (request-id partition|job|phase|batch|since)*
-- -> number pending. No event.
redis.call('HSET', KEYS[1]..'pending', unpack(ARGV))
return redis.call('HLEN', KEYS[1]..'pending')
