"""The circuit breaker in Lua, for Redis: as `routing.breaker` says, in one step for all callers.

ARGV of every script: failure_threshold, open_ms, probe_lease_ms, forget_ms, now (empty: the
server's clock). A breaker is a hash of status, failures, opened_at, probe_until; a clean one is
no key at all. Every answer ends with a state of those four and the time it was seen at.
"""

from orkesta.redis_door import Script

_PRELUDE = """
local threshold, open_ms = tonumber(ARGV[1]), tonumber(ARGV[2])
local lease_ms, forget_ms = tonumber(ARGV[3]), tonumber(ARGV[4])
local now = tonumber(ARGV[5])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

local function load(key)
  local row = redis.call('HMGET', key, 'status', 'failures', 'opened_at', 'probe_until')
  local state = {
    status = row[1] or 'closed', failures = tonumber(row[2] or 0),
    opened_at = tonumber(row[3] or 0), probe_until = tonumber(row[4] or 0),
  }
  if state.status == 'open' and now >= state.opened_at + open_ms then
    state.status, state.probe_until = 'half_open', 0
  end
  return state
end

local function save(key, state)
  if state.status == 'closed' and state.failures == 0 then
    redis.call('DEL', key)
    return
  end
  redis.call('HSET', key, 'status', state.status, 'failures', state.failures,
    'opened_at', state.opened_at, 'probe_until', state.probe_until)
  redis.call('PEXPIRE', key, forget_ms)
end

local function row(state)
  return {state.status, state.failures, state.opened_at, state.probe_until, now}
end
"""

ADMIT = Script(
    _PRELUDE
    + """
local state = load(KEYS[1])
local answer = 'refused'
if state.status == 'closed' then
  answer = 'allowed'
elseif state.status == 'half_open' and now >= state.probe_until then
  answer = 'probe'
  state.probe_until = now + lease_ms
  save(KEYS[1], state)
end
return {answer, unpack(row(state))}
"""
)

REPORT = Script(
    _PRELUDE
    + """
local outcome, probe = ARGV[6], tonumber(ARGV[7])
local state = load(KEYS[1])
local clean = {status = 'closed', failures = 0, opened_at = 0, probe_until = 0}
local is_probe = probe ~= 0 and probe == state.probe_until
local counts = state.status == 'closed' or (state.status == 'half_open' and is_probe)
if counts and outcome == 'success' then
  state = clean
elseif counts and outcome == 'failure' then
  state.failures = state.failures + 1
  if state.status == 'half_open' or state.failures >= threshold then
    state = {status = 'open', failures = state.failures, opened_at = now, probe_until = 0}
  end
elseif counts and state.status == 'half_open' then
  state.probe_until = 0
end
if counts then save(KEYS[1], state) end
return row(state)
"""
)

READ = Script(
    _PRELUDE
    + """
local rows = {}
for index, key in ipairs(KEYS) do rows[index] = row(load(key)) end
return rows
"""
)

RESET = Script("return redis.call('DEL', KEYS[1])")
