-- A misspelt option of fmlua printed the usage, where fmlua map names the option that is meant; and fmlua map took options
-- for others that have little to do with them.

local nearest = require "fast_map.nearest"

local FMLUA = os.getenv "FMLUA" or "./fmlua"

local function run(words)
  local pipe = assert(io.popen(("%s %s </dev/null 2>&1"):format(FMLUA, words)))
  local text = pipe:read "a"
  local _, _, code = pipe:close()
  return text, code
end

describe("a misspelt option", function()
  it("of fmlua is told with the nearest one", function()
    for wrong, right in pairs {
      ["--progres"] = "--progress", ["--versoin"] = "--version", ["--rep"] = "--report", ["--traec"] = "--trace",
      ["--hlep"] = "--help",
    } do
      local text, code = run(wrong .. " script.lua")
      assert.equal(("%s: unrecognized option '%s'; did you mean '%s'?\n"):format(FMLUA, wrong, right), text)
      assert.equal(1, code)
    end
    assert.matches("unrecognized option '%-%-tag'\nusage: ", (run "--tag"))
  end)

  it("is not taken for one that is far from it", function()
    local forms = { "--eta", "--bar", "--json", "--jobs", "--timeout", "--retries" }
    for wrong, right in pairs {
      ["--tag"] = false, ["--xx"] = false, ["--sort"] = false, ["--colsep"] = false, ["--eat"] = "--eta",
      ["--job"] = "--jobs", ["--timout"] = "--timeout", ["--retrys"] = "--retries",
    } do
      assert.equal(right or nil, nearest(wrong, forms), wrong)
    end
  end)

  it("is no file that is given after =", function()
    local name = os.tmpname()
    assert.equal("", (run(("--trace=%s -e 'fast_map.map(tostring, { 1 })'"):format(name))))
    local file = assert(io.open(name))
    assert.matches("traceEvents", file:read "a")
    file:close()
    os.remove(name)
  end)
end)
