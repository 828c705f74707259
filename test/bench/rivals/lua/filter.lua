-- The job of the bench as a Lua filter does it: a key looked up in a table, two limits counted in
-- the memory of the worker, four header edits. Lua in Envoy has no SHA-256, so the table `callers`,
-- which the bench writes before this text, holds the keys themselves.

local QUOTA = 1e12
local LENGTHS = { 3600, 86400 }

local function take(caller)
  local now = os.time()
  for i, length in ipairs(LENGTHS) do
    local current = math.floor(now / length)
    if caller.current[i] ~= current then
      caller.current[i] = current
      caller.used[i] = 0
    end
    if caller.used[i] >= QUOTA then
      return false
    end
  end
  for i in ipairs(LENGTHS) do
    caller.used[i] = caller.used[i] + 1
  end
  return true
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local caller = callers[headers:get("x-api-key")]
  if caller == nil then
    handle:respond({ [":status"] = "401" }, "unknown key")
    return
  end
  if not take(caller) then
    handle:respond({ [":status"] = "429" }, "over the limit")
    return
  end
  headers:replace("x-consumer", caller.name)
  headers:replace("x-plan", "gold")
  headers:remove("x-internal")
  headers:remove("x-api-key")
end
