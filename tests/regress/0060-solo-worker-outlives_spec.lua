-- A worker that gets one task has no listener; the kernel told it of its parent's death by a signal that tasks can block or
-- ignore, and then it went on for ever.

local kit = dofile "tests/stress/kit.lua"

-- What the only task of a map does while its script is killed.
local ways = {
  { "is blocked in C", "faulty.block(100)" },
  { "blocks SIGHUP", "faulty.mask(1) faulty.block(100)" },
  { "ignores SIGHUP", "faulty.ignore(1) faulty.block(100)" },
  { "blocks all signals and computes", "faulty.spin()" },
  { "computes", "while true do end" },
  { "sleeps", "fast_map.sleep(100)" },
  { "waits for a program", "os.execute 'sleep 100'" },
  { "waits for a program, and ignores SIGHUP", "faulty.ignore(1) os.execute 'sleep 100'" },
  { "reads from a program", "io.popen('sleep 100'):read 'a'" },
  { "has a program in the background", "os.execute 'sleep 100 &' faulty.spin()" },
  { "has started one and reads no more", "p = io.popen('sleep 100') faulty.mask(1) faulty.block(100)" },
  { "has forked in C", "faulty.fork(100) faulty.spin()" },
  { "has a map of its own", "for _ in fast_map(function() faulty.spin() end, { 1 }) do end" },
  { "has a map with one, too, of its own",
    "fast_map.map(function() fast_map.map(function() os.execute 'sleep 100' end, { 1 }) end, { 1 })" },
  { "has a map of its own in the background",
    "t = fast_map_async(function() faulty.mask(1) faulty.block(100) end, { 1 }) faulty.spin()" },
}

describe("a script is killed whose only task", function()
  for _, way in ipairs(ways) do
    it(way[1] .. ": nothing is left", function()
      local run = kit.start(([[
        local function f()
          %s
        end
        local t = fast_map_async(f, { 1 }, { procs_limit = 1 })
        fast_map.sleep(%s)
        print "ready"
        os.execute("kill -9 " .. faulty.pid())
      ]]):format(way[2], math.random(2) == 1 and "0.005" or "0.1"))
      local _, code, gone = kit.finish(run)
      assert.equal(137, code)
      assert.is_true(gone)
    end)
  end
end)
