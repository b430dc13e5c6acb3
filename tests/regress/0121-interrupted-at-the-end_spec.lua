-- Ctrl-C while a script that had ended waited for its callbacks ended one map of several, and fmlua exited with 1.

local kit = dofile "tests/stress/kit.lua"

describe("Ctrl-C at the end of a script", function()
  it("ends all maps, and is told by the exit code", function()
    local output, code, gone = kit.run [[
      for i = 1, 3 do
        fast_map_async(function() os.execute "sleep 300" end, { 1, 2 }, { on_result = print })
      end
      faulty.press(0.2)
    ]]
    assert.equal(130, code, output)
    assert.is_true(gone, "processes are left")
  end)
end)
