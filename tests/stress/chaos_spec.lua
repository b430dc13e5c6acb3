-- The bounded part of the chaos run, always the same rounds; `make stress` runs more, with other seeds.

local chaos = dofile "tests/stress/chaos.lua"

describe("chaos", function()
  it("gives the results of a plain loop, each once and in order, and leaves nothing", function()
    local rounds = os.getenv "TEST_HOST" == os.getenv "FMLUA" and 100 or 40
    assert.equal(0, chaos.main(rounds, 1))
  end)
end)
