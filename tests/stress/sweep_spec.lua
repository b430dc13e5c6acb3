-- The bounded part of the sweep: every call for a process, thread or descriptor refused once, and some of those for memory.
-- `make stress` refuses them all.

local sweep = dofile "tests/stress/sweep.lua"

local system = "fork,socketpair,pipe,pidfd_open,epoll_create1,epoll_ctl,pthread_create,open,mmap"

describe("a system that refuses", function()
  if os.getenv "TEST_HOST" ~= os.getenv "FMLUA" then return end
  for name, script in pairs(sweep.scripts) do
    it("one process, thread or descriptor: " .. name, function()
      assert.same({}, (sweep.sweep(script, system, 1)))
    end)

    it("memory once: " .. name, function()
      assert.same({}, (sweep.sweep(script, "malloc,calloc,realloc", 41, 17)))
    end)

    it("everything from some moment on: " .. name, function()
      for first = 1, 200, 30 do assert.is_nil((sweep.try(script, first, 1e9))) end
    end)
  end
end)
