-- pattern_spec.lua - LPeg's patterns that the script built outside of its function match in tasks as they match here.

local fast_map = require "fast_map"

local found, lpeg = pcall(require, "lpeg")

local ways = { { threads_limit = 1 }, { procs_limit = 1, threads_limit = 4 }, { procs_limit = 2, threads_limit = 4 } }

local subjects = { "", "a", "abc", "aaab 12", "x = 10, y=20", "(a(b)c)", "[[long]]", "1+2*3-4", "\0\255a", ("ab"):rep(300) }

local function everywhere(f)
  local expected = table.pack(f())
  for _, way in ipairs(ways) do
    for _, results in fast_map(function() return table.pack(f()) end, { 1, 2, 3, 4 }, way) do assert.are.same(expected, results) end
  end
  if not os.getenv "NO_NESTED_MAPS" then
    local nested = fast_map.map(function() return fast_map.map(function() return table.pack(f()) end, { 1 })[1] end, { 1 })[1]
    assert.are.same(expected, nested)
  end
  return table.unpack(expected, 1, expected.n)
end

-- Patterns with every way to build one.
local function all_patterns()
  local P, R, S, V, B = lpeg.P, lpeg.R, lpeg.S, lpeg.V, lpeg.B
  local C, Cc, Cg, Cb, Ct, Cs, Cp, Cmt, Carg = lpeg.C, lpeg.Cc, lpeg.Cg, lpeg.Cb, lpeg.Ct, lpeg.Cs, lpeg.Cp, lpeg.Cmt, lpeg.Carg
  local digits, space, seen = R "09" ^ 1, S " \t" ^ 0, { 0 }
  local number = space * C(digits) / tonumber * space
  local function fold(a, op, b) return op == "+" and a + b or op == "-" and a - b or a * b end
  local sum = P {
    "Sum",
    Sum = Ct(V "Product" * (C(S "+-") * V "Product") ^ 0),
    Product = Ct(number * (C "*" * number) ^ 0),
  }
  local list = {
    P "a", P(2), P(-1), P(true), P(false), S "abc" ^ 1, S "abc" ^ -2, -P "b" * 1, #P "a" * C(1), B "a" * P "b" + P(1),
    C(P "a" ^ 0) * Cp(), Cc(1, nil, "x", { 5 }), Ct(Cg(C(1), "first") * C(1) ^ 0), Cg(C(1), "k") * Cb "k",
    Cs((P "a" / "A" + 1) ^ 0), C(1) / { a = "found" }, C(1) * C(1) / 2, C(1) / "[%1%0]", (1 - S "=" + P "=") ^ 0 * Cp(),
    Cmt(C(1), function(_, i, c) seen[1] = seen[1] + 1; return i, c, seen[1] > 0 end), Carg(1),
    P { "(" * ((1 - S "()") + V(1)) ^ 0 * ")" }, sum, R("az", "AZ") ^ 1 / string.upper, Ct(number * ("," * number) ^ 0),
    P(function(s, i) return i <= #s and i + 1 end), C(P "[[" * (P(1) - "]]") ^ 0 * "]]"),
    number * (C(S "+-*") * number) ^ 0 / function(a, op, b) return b and fold(a, op, b) or a end,
    (C(R "az" ^ 1) * space * "=" * number * P ", " ^ -1) ^ 0, lpeg.locale().alnum ^ 1, P "ab" ^ 0 * Cp(), P "long text " ^ 3,
  }
  return list
end

local function match_all(list)
  local out = {}
  for i, pattern in ipairs(list) do
    for k, subject in ipairs(subjects) do out[#out + 1] = { i, k, pcall(lpeg.match, pattern, subject, 1, "argument") } end
  end
  return out
end

describe("patterns of LPeg in tasks", function()
  if not found then
    pending "LPeg is not installed"
    return
  end

  it("match as they match here, before and after they were matched here", function()
    local list = all_patterns()
    everywhere(function() return match_all(all_patterns()) end)
    local fresh = all_patterns()
    for _, results in fast_map(function() return match_all(fresh) end, { 1, 2 }, ways[2]) do
      assert.are.same(match_all(list), results)
    end
    everywhere(function() return match_all(list) end)
  end)

  it("become parts of patterns, and show their kind", function()
    local word, comma = lpeg.C(lpeg.R "az" ^ 1), lpeg.P ","
    assert.are.same({ "b", "pattern", 4 }, { everywhere(function()
      local list = lpeg.Ct(word * (comma * word) ^ 0)
      return list:match "a,b,c"[2], lpeg.type(word), (word ^ 0 * lpeg.Cp()):match "abc" and #"four"
    end) })
  end)

  it("keep what they lead to: one object stays one, and comes back as itself", function()
    local function mark() return 1 end
    local shared = { mark }
    local pattern = lpeg.Cc(shared) * lpeg.Cc(mark)
    for _, same, t, f, p in fast_map(function()
      local t, f = pattern:match ""
      return t == shared and f == mark and t[1] == f, t[1], f, pattern
    end, { 1, 2, 3 }, ways[3]) do
      assert.is_true(same)
      assert.are.equal(mark, t)
      assert.are.equal(mark, f)
      assert.are.equal(pattern, p)
    end
  end)

  it("may be in globals, modules and caches", function()
    local re = require "re"
    assert.are.equal("heLLo", (re.gsub("hello", "'l'", "L"))) -- keeps a pattern in a cache
    rawset(_G, "spec_pattern", re.compile "{[a-z]+} ' '*")
    package.loaded.spec_patterns = { word = lpeg.C(lpeg.R "az" ^ 1) }
    assert.are.same({ "heLLo", "abc", "xyz" }, { everywhere(function()
      return (re.gsub("hello", "'l'", "L")), (_G.spec_pattern:match "abc 1"), require("spec_patterns").word:match "xyz"
    end) })
    rawset(_G, "spec_pattern", nil)
    package.loaded.spec_patterns = nil
  end)

  it("may be large", function()
    local words = lpeg.P(false)
    for i = 1, 400 do words = words + lpeg.C("word" .. i .. ";") / { ["word" .. i .. ";"] = i } end
    assert.are.same({ 399, 7 }, { everywhere(function() return words:match "word399;", words:match "word7;" end) })
  end)

  it("are collected like others", function()
    local pattern = lpeg.C(lpeg.P "a" ^ 1)
    assert.are.equal("aa", everywhere(function()
      local result
      for _ = 1, 50 do
        result = (pattern * lpeg.P "b" ^ 0):match "aab"
        collectgarbage()
      end
      return result
    end))
  end)
end)
