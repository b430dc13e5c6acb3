local failure = require "fast_map.failure"

local traceback = "stack traceback:\n\t[C]: in function 'io.lines'\n\tjob.lua:12: in function <job.lua:10>"

local function text(fields)
  return tostring(failure.new(fields))
end

describe("an error object", function()
  it("shows task, message, worker, attempt and the worker's traceback", function()
    local err = failure.new {
      index = 3, kind = "error", message = "job.lua:12: no such file", traceback = traceback, pid = 4711, attempt = 1,
    }
    assert.equal("task 3 failed: job.lua:12: no such file\n  in worker 4711, attempt 1:\n" .. traceback, tostring(err))
  end)

  it("keeps its fields", function()
    local cause = { code = 7 }
    local err = failure.new { index = 3, kind = "error", message = cause, pid = 4711, attempt = 2 }
    assert.equal(3, err.index)
    assert.equal("error", err.kind)
    assert.equal(cause, err.message)
    assert.equal(4711, err.pid)
    assert.equal(2, err.attempt)
    assert.is_nil(err.traceback)
  end)

  it("has a readable first line for every kind", function()
    assert.equal("task 1 failed: x", text { index = 1, kind = "error", message = "x" })
    assert.equal("task 1 timed out at job.lua:5",
      text { index = 1, kind = "timeout", message = "job.lua:5: timed out" })
    assert.equal("task 1 timed out", text { index = 1, kind = "timeout", message = "timed out" })
    assert.equal("task 1 timed out", text { index = 1, kind = "timeout" })
    assert.equal("task 1 crashed: SIGSEGV", text { index = 1, kind = "crash", message = "SIGSEGV" })
    assert.equal("task 1 ran out of memory", text { index = 1, kind = "memory", message = "not enough memory" })
    assert.equal("task 1 could not be transferred: upvalue 'db' is a coroutine",
      text { index = 1, kind = "transfer", message = "upvalue 'db' is a coroutine" })
    assert.equal("task 1 was cancelled", text { index = 1, kind = "cancelled" })
  end)

  it("speaks of the map when no task is to blame", function()
    assert.equal("the map failed: no process could be started",
      text { kind = "error", message = "no process could be started" })
  end)

  it("shows a kind that it does not know", function()
    assert.equal("task 1 failed (flood): x", text { index = 1, kind = "flood", message = "x" })
  end)

  it("shows messages of any type", function()
    local function first(message) return text { index = 1, kind = "error", message = message } end
    assert.equal("task 1 failed: nil", first(nil))
    assert.equal("task 1 failed: false", first(false))
    assert.equal("task 1 failed: 42", first(42))
    assert.equal("task 1 failed: ", first(""))
    assert.equal("task 1 failed: (error object is a table value)", first {})
    assert.equal("task 1 failed: EIO", first(setmetatable({}, { __tostring = function() return "EIO" end })))
    assert.matches("^task 1 failed: Oops: ", first(setmetatable({}, { __name = "Oops" })))
    assert.matches("^task 1 failed: function: ", first(print))
  end)

  it("can be shown even when its message cannot", function()
    local bad = setmetatable({}, { __tostring = function() error "no" end })
    assert.equal("task 1 failed: (error object is a table value)", text { index = 1, kind = "error", message = bad })
    local worse = setmetatable({}, { __tostring = function() return {} end })
    assert.equal("task 1 failed: (error object is a table value)", text { index = 1, kind = "error", message = worse })
    local locked = setmetatable({}, { __metatable = "locked" })
    assert.equal("task 1 failed: (error object is a table value)", text { index = 1, kind = "error", message = locked })
  end)

  it("shows the message once when the traceback begins with it", function()
    assert.equal("task 1 failed: x\n  in worker 9:\n" .. traceback,
      text { index = 1, kind = "error", message = "x", pid = 9, traceback = "x\n" .. traceback })
  end)

  it("leaves out what is not known", function()
    assert.equal("task 1 failed: x\n  in attempt 2", text { index = 1, kind = "error", message = "x", attempt = 2 })
    assert.equal("task 1 failed: x", text { index = 1, kind = "error", message = "x", traceback = "" })
  end)

  it("shows an error inside an error", function()
    local inner = failure.new { index = 2, kind = "error", message = "x", pid = 2, attempt = 1 }
    assert.equal("task 1 failed: task 2 failed: x\n  in worker 2, attempt 1\n  in worker 1, attempt 1",
      text { index = 1, kind = "error", message = inner, pid = 1, attempt = 1 })
  end)

  it("can be joined to strings and written into messages", function()
    local err = failure.new { index = 1, kind = "error", message = "x" }
    assert.equal("oh: task 1 failed: x!", "oh: " .. err .. "!")
    assert.equal("<task 1 failed: x>", ("<%s>"):format(err))
  end)

  it("is told from other values", function()
    assert.is_true(failure.is(failure.new {}))
    for _, other in ipairs { {}, "x", 1, true, print, io.stdout, setmetatable({}, { __name = "fast_map.error" }) } do
      assert.is_false(failure.is(other))
    end
    assert.is_false(failure.is(nil))
  end)
end)
