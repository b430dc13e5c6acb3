-- An object that can be called was no function to map when its metatable was protected by a field __metatable.

local fast_map = require "fast_map"

describe("an object that can be called", function()
  it("is mapped although its metatable is protected", function()
    for _, lock in ipairs { "locked", false } do
      local double = setmetatable({}, { __metatable = lock, __call = function(_, x) return 2 * x end })
      local results = fast_map.map(double, { 1, 2, 3 })
      assert.same({ 2, 4, 6, n = 3 }, results)
    end
  end)
end)
