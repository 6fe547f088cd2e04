-- Puts a limiter on the fleet's list of those with something pending. A script, so that it goes through when memory is full: its
-- writes have been accepted already. Not a part of `poll_add`: the list is of another slot than the limiter's keys.
-- KEYS[1] the list   ARGV: limiter since_ms(of its newest 202)
-- -> number of limiters that were not on the list: 1 | 0. No event.
return redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
