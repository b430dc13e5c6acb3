-- penlight_spec.lua - a real library in tasks: functions of most of Penlight's modules give in every thread what they give in a
-- plain loop, when the script captured the modules, has them as globals, or the task requires them.

local fast_map = require "fast_map"

local ways = {
  { name = "one thread", options = { procs_limit = 1, threads_limit = 1 } },
  { name = "several threads", options = { procs_limit = 1, threads_limit = 4 } },
  { name = "two processes", options = { procs_limit = 2, threads_limit = 3 } },
}

-- What the bodies below call a module. Each name is an upvalue, a global or a local variable of the task.
local modules = {
  array2d = "pl.array2d", class = "pl.class", compat = "pl.compat", comprehension = "pl.comprehension", data = "pl.data",
  Date = "pl.Date", dir = "pl.dir", file = "pl.file", func = "pl.func", import_into = "pl.import_into", input = "pl.input",
  lapp = "pl.lapp", lexer = "pl.lexer", List = "pl.List", luabalanced = "pl.luabalanced", Map = "pl.Map",
  MultiMap = "pl.MultiMap", operator = "pl.operator", OrderedMap = "pl.OrderedMap", path = "pl.path", permute = "pl.permute",
  pretty = "pl.pretty", seq = "pl.seq", Set = "pl.Set", sip = "pl.sip", stringio = "pl.stringio", stringx = "pl.stringx",
  tablex = "pl.tablex", template = "pl.template", test = "pl.test", text = "pl.text", types = "pl.types", url = "pl.url",
  utils = "pl.utils", xml = "pl.xml",
}

local bodies = {
  { "lists are sorted, sliced and joined", [==[
    local l = List { 5, 3, 9, 1 }
    l:sort():append(7):insert(1, 0):reverse()
    local tail = l:slice(2, -2)
    return tostring(l), tail:join "-", l:index(9), l:contains(4), l:minmax(), tostring(l .. tail), #l, l == l:clone()]==] },
  { "lists are mapped, filtered and reduced", [==[
    local l = List.range(1, 10)
    return tostring(l:filter(function(x) return x % 2 == 0 end)), l:reduce "+", tostring(l:map("*", 2)), l:count(3)]==] },
  { "lists take the names of operators", [==[
    local l = List.range(1, 5)
    local seen = 0
    l:foreach(function(x) seen = seen + x end)
    return l:reduce "-", tostring(l:map2("..", List.split "a b c d e")), seen, tostring(l:transform(math.abs))]==] },
  { "lists are split and partitioned", [==[
    local l = List.split("a,b,,c", ",")
    local parts = List { 1, 2, 3, 4 }:partition(function(x) return x > 2 end)
    return #l, l[4], tostring(parts[true]), tostring(parts[false]), tostring(List.iterate("xyz") and List("xyz"))]==] },
  { "maps and sets have their operators", [==[
    local m = Map { a = 1, b = 2 }
    m:set("c", 3)
    m:update { d = 4 }
    local s, t = Set { 1, 2, 3 }, Set { 2, 3, 4 }
    return m:keys():sort():join "", m:get "c", #m:values(), m == Map { a = 1, b = 2, c = 3, d = 4 }, tostring(s * t == Set { 2, 3 }),
      tostring(s - t == Set { 1 }), Set.len(s + t), s < Set { 1, 2, 3, 4 }, Set.isdisjoint(s, Set { 9 }),
      tostring(s ^ t == Set { 1, 4 })]==] },
  { "ordered maps keep their order, multimaps their lists", [==[
    local m = OrderedMap()
    m:set("z", 1):set("a", 2):set("m", 3)
    m:insert(1, "first", 0)
    local out = {}
    for k, v in m:iter() do out[#out + 1] = k .. v end
    local mm = MultiMap()
    mm:set("k", 1)
    mm:set("k", 2)
    m:sort()
    return table.concat(out, " "), tostring(m), tostring(m:keys()), #mm.k, m:get "a"]==] },
  { "classes have inheritance, casts and properties", [==[
    local Animal = class.Animal and class() or class()
    function Animal:_init(name) self.name = name end
    function Animal:speak() return "..." end
    Animal.__tostring = function(self) return self.name .. ": " .. self:speak() end
    local Cat = class(Animal)
    function Cat:_init(name, lives)
      self:super(name)
      self.lives = lives
    end
    function Cat:speak() return "meow " .. self.lives end
    local c = Cat("Tom", 9)
    local P = class(class.properties)
    function P:_init() self._x = 1 end
    function P:set_x(x) self._x = x * 2 end
    function P:get_x() return self._x end
    local p = P()
    p.x = 21
    return tostring(c), c:is_a(Animal), Animal:class_of(c), Cat:class_of(Animal "x"), class.is_a and true, p.x, Cat._base == Animal]==] },
  { "values are written and read", [==[
    local t = { 1, 2, { x = "a\nb", ["odd key"] = true }, [10] = 1.5 }
    local text = pretty.write(t)
    local back = pretty.read(text)
    return text, tablex.deepcompare(t, back), pretty.number(123456789, "M", 2), pretty.number(1536, "N"), pretty.write({ 1, "x" }, ""),
      select("#", pretty.load("a = 1 + 1")), pretty.load("return x", { x = 1 }, true) ~= nil]==] },
  { "strings have Penlight's methods", [==[
    return stringx.strip "  x y  ", stringx.startswith("hello", "he"), stringx.endswith("hello", { "x", "lo" }),
      tostring(stringx.split("a b  c")), stringx.title "one two", stringx.center("x", 5, "*"), stringx.rjust("7", 3, "0"),
      stringx.replace("aXbX", "X", "-"), stringx.count("banana", "an"), stringx.rfind("abcabc", "b"), stringx.isalpha "abc",
      stringx.partition("k=v", "="), stringx.shorten("a long line", 8), tostring(stringx.splitlines "a\nb"),
      stringx.quote_string 'a"b', stringx.lfind("hello", "l"), tostring(stringx.lines "a\nb" () ), stringx.expandtabs("\tx", 4)]==] },
  { "templates, indentation and dedent work", [==[
    local t = text.Template "Hello $name, ${greeting}!"
    return t:substitute { name = "you", greeting = "hi" }, t:safe_substitute { name = "x" }, (pcall(t.substitute, t, {})),
      text.dedent "    a\n      b\n", text.indent("a\nb", 2), text.wrap("some words that are long", 10):join "|",
      text.fill("some words that are long", 12), text.format_operator and "op"]==] },
  { "tables are compared, copied and mapped", [==[
    local t = { a = { b = 1 }, c = 2 }
    local copy = tablex.deepcopy(t)
    local sorted = {}
    for k in tablex.sort { z = 1, y = 2, x = 3 } do sorted[#sorted + 1] = k end
    return tablex.deepcompare(t, copy), copy.a ~= t.a, tablex.reduce("+", { 1, 2, 3 }), tablex.index_by({ "q" }, { 1 })[1],
      tablex.size(t), tablex.find({ 1, 5, 9 }, 5), table.concat(tablex.range(1, 9, 2), ","),
      table.concat(sorted), tablex.makeset({ "q" }).q, tablex.index_by({ 10, 20 }, { 2 })[1], tablex.zip({ 1, 2 }, { 3, 4 })[2][2],
      tablex.union({ a = 1 }, { b = 2 }).b, tablex.merge({ a = 1, b = 2 }, { b = 3 }).b, tablex.search({ x = { y = 5 } }, 5)]==] },
  { "tables are searched, filtered and transposed", [==[
    local t = { 4, 8, 15, 16 }
    return table.concat(tablex.filter(t, function(x) return x > 7 end), ","), table.concat(tablex.map("*", t, 2), ","),
      table.concat(tablex.sub(t, 2, 3), ","), tablex.rfind({ 1, 2, 1 }, 1), tablex.find_if(t, function(x) return x == 15 end),
      table.concat(tablex.pairmap(function(_, v) return v end, { 7 }), ","), tablex.difference({ a = 1 }, { a = 1 }).a == nil,
      table.concat(tablex.imap("tostring" and function(x) return x + 1 end, t), " "), tablex.count_map({ "a", "a" }).a,
      tablex.compare(t, { 4, 8, 15, 16 }, "=="), #tablex.keys { a = 1 }, tablex.readonly({ 5 })[1],
      (pcall(function() tablex.readonly({ 5 })[2] = 1 end))]==] },
  { "sequences are chained", [==[
    local s = seq { 1, 2, 3, 4, 5, 6 }:filter(seq.greater_than(2)):map(function(x) return x * x end):take(3):copy()
    local letters = seq.copy(seq.map(string.upper, seq.list { "a", "b" }))
    return tostring(s), tostring(letters), seq.sum { 1, 2, 3 }, seq.reduce("*", seq.range(1, 5)), tostring(seq.copy(seq.keys { k = 1 })),
      seq.enum and 1, tostring(seq.copy2(seq.zip({ 1, 2 }, { 3, 4 }))[2][2]), seq.minmax { 3, 1, 2 }, seq.count_map({ "a", "b", "a" }).a,
      #seq.copy(seq.unique { 1, 1, 2 }), seq.printall and 2, tostring(seq.copy(seq.last { 1, 2, 3 })),
      #seq.copy(seq.splice({ 1 }, { 2 }))]==] },
  { "placeholder expressions are compiled", [==[
    local _1, _2, I = func._1, func._2, func.I
    local plus = I(_1 + _2 * 2)
    local name = I(_1.name)
    local length = I(func.Len(_1))
    return plus(3, 4), name { name = "n" }, length "four", tostring(List.range(1, 4):map(_1 ^ 2)), func.tail and func.tail { 1, 2 }[1],
      func.compose(math.abs, tonumber) "-3", func.bind(string.rep, _1, 3) "ab", func.bind1(math.max, 10)(5),
      func.repr(_1 + 1)]==] },
  { "functions are bound and composed", [==[
    local _1, _2 = func._1, func._2
    return func.compose(math.abs, tonumber) "-3", func.bind(string.rep, _1, 3) "ab", func.bind1(math.max, 10)(5), func.repr(_1 + _2),
      func.I(_1 + _2 * 2)(3, 4), func.I(_1.name) { name = "n" }, tostring(List.range(1, 4):map(_1 ^ 2)), func.I(func.Not(_1))(false),
      func.I(func.Or(_1, _2))(nil, 2), func.I(-_1)(4), func.register(math.floor)(_1) ~= nil, utils.string_lambda "|x| x + 1" (2),
      operator.add(1, 2), operator.concat("a", "b"), operator.index({ 7 }, 1), operator.optable[".."]("x", "y"), operator.mod(7, 4)]==] },
  { "comprehensions are compiled", [==[
    local C = comprehension.new(_G)
    local squares = C "x^2 for x" { 1, 2, 3 }
    local pairs_of = C "{x, y} for x for y if x < y" ({ 1, 2 }, { 2, 3 })
    return squares[3], #pairs_of, C "sum(x for x)" { 1, 2, 3 }, C "table(x, y for x, y)" ({ "a" }, { 1 }).a,
      C "max(x for x)" { 4, 9, 2 }]==] },
  { "permutations are counted, in coroutines too", [==[
    local all = {}
    for p in permute.order_iter { 1, 2, 3 } do all[#all + 1] = table.concat(p) end
    table.sort(all)
    return table.concat(all, " "), #permute.order_table { 1, 2, 3, 4 }, select("#", permute.list_iter and 1)]==] },
  { "arrays have two dimensions", [==[
    local a = array2d.new(2, 3, function(i, j) return i * 10 + j end)
    local m = array2d.map("*", a, 2)
    local rows, columns = array2d.size(m)
    local t = array2d.transpose and array2d.transpose(a) or a
    local out = {}
    for i, j, v in array2d.iter(a, true) do out[#out + 1] = i .. j .. v end
    return rows, columns, m[2][3], array2d.reduce2("+", "*", a), t[1][1], table.concat(out, " "), array2d.product(function(x, y)
      return x * y end, { 1, 2 }, { 3, 4 })[2][2], table.concat(array2d.flatten(a), ","), table.concat(array2d.column(a, 2), ","),
      array2d.parse_range and array2d.parse_range "A1:B2", array2d.reshape(a, 3)[3][2], array2d.toString and 1]==] },
  { "data is read, queried and written", [==[
    local d = data.read(stringio.open "name,age,city\nann,31,Rome\nbob,25,Oslo\ncid,40,Rome\n")
    local q = {}
    for name, age in data.query(d, "name,age where age > 30 sort by name") do q[#q + 1] = name .. age end
    local out = stringio.create()
    data.write(d, out)
    local v = #d.fieldnames
    return #d, d.fieldnames[2], table.concat(q, " "), tostring(d:column_by_name "city"), out:value(), v,
      d:copy_select("name where city == 'Rome'")[2][1]]==] },
  { "templates are expanded", [==[
    local out = template.substitute([=[
# for i, v in ipairs(list) do
<li>$(i): $(v:upper())</li>
# end
]=], { ipairs = ipairs, list = { "a", "b" } })
    local compiled = template.compile "Hi $(name)\n"
    local bad, err = template.substitute("$(nothing.x)", {})
    return out, compiled:render { name = "you" }, bad, (tostring(err):match "^[^\n]*")]==] },
  { "Lua is split into tokens", [==[
    local tokens = {}
    for kind, value in lexer.lua("for i = 1, 10 do s = s .. 'x\\n' -- end\nend",
      {}) do tokens[#tokens + 1] = kind .. ":" .. tostring(value) end
    local more = {}
    for kind, value in lexer.cpp("int x = 0x1F; /* c */ y += 2.5e3", {}) do more[#more + 1] = kind .. ":" .. tostring(value) end
    local tok = lexer.scan "alpha = sin(1)"
    return table.concat(tokens, " "), table.concat(more, " "), tok(),
      tostring(lexer.get_separated_list(lexer.lua("a, b)", {}), ")")[2][1][2])]==] },
  { "patterns of sip are compiled", [==[
    local res = {}
    local ok = sip.match("$v{name}=$d{value}", "x=42", res)
    local match = sip.compile "$i{host}:$d{port}"
    local address = {}
    match("localhost:80", address)
    return ok, res.name, res.value, address.host, address.port, (sip.create_pattern "$d")]==] },
  { "XML is built, parsed and matched", [==[
    local d = xml.new "root"
    d:addtag("item", { id = "1" }):text("a < b"):up():addtag "empty"
    local p = xml.parse("<a x='1'><b>text</b><b>more &amp; more</b><!-- c --></a>", false, true)
    local list = xml.elem("list", { xml.elem "one", xml.elem("two", "2") })
    local found = xml.parse("<r><k>5</k></r>", false, true):match "<r><k>$v</k></r>".v
    local matched = p:match "<a><b>$first</b></a>"
    return tostring(d), p.attr.x, p:child_with_name "b":get_text(), #p:get_elements_with_name "b", tostring(list), tostring(found),
      matched.first, tostring(xml.parse(tostring(d), false, true)) == tostring(d), xml.xml_escape "<&>", xml.is_tag(d)]==] },
  { "paths are taken apart", [==[
    local dirname, base = path.splitpath "/a/b/c.txt"
    local root, ext = path.splitext "c.tar.gz"
    return dirname, base, root, ext, path.join("a", "b", "c"), path.normpath "/a/../b/./c", path.isabs "/x", path.relpath("/a/b/c", "/a"),
      path.extension "x.lua", path.basename "q/w", path.exists "/etc/hostname" ~= false, path.isdir "/etc", path.isfile "/etc/hostname",
      path.common_prefix("/a/b/c", "/a/b/d"), path.abspath("x", "/y"), path.package_path "pl.List" ~= nil, path.expanduser "/x"]==] },
  { "folders are made, walked and removed", [==[
    local top = os.tmpname()
    os.remove(top)
    assert(dir.makepath(top .. "/x/y"))
    file.write(top .. "/x/one.txt", "1")
    file.write(top .. "/x/y/two.txt", "22")
    file.copy(top .. "/x/one.txt", top .. "/x/y/three.txt")
    local names = {}
    for folder, dirs, files in dir.walk(top) do names[#names + 1] = folder:sub(#top + 1) .. "|" .. #dirs .. "|" .. #files end
    table.sort(names)
    local count, size = #dir.getallfiles(top, "*.txt"), path.getsize(top .. "/x/y/two.txt")
    local read = file.read(top .. "/x/y/three.txt")
    local matched = dir.fnmatch("a.txt", "*.t?t")
    for entry, is_dir in dir.dirtree(top) do names[#names + 1] = entry:sub(#top + 1) .. tostring(is_dir) end
    table.sort(names)
    dir.rmtree(top)
    return table.concat(names, " "), count, size, read, matched, path.exists(top)]==] },
  { "commands lines are parsed", [==[
    local args = lapp([=[
Test
  -v,--verbose  be loud
  -n,--number (default 5) how many
  -s,--scale (number default 1.5)
  <name> (string)
  <rest...> (optional string)
]=], { "-v", "--number", "7", "me", "a", "b" })
    return args.verbose, args.number, args.scale, args.name, #args.rest]==] },
  { "types are told", [==[
    return types.type(List()), types.is_integer(5), types.is_callable(class()), types.is_indexable {},
      types.is_empty "  ", types.to_bool "yes",
      types.is_iterable(List()), utils.is_type(List(), List), types.is_writeable {}]==] },
  { "utilities work", [==[
    local ok, code, out = utils.executeex "exit 3"
    local f = utils.memoize(function(x) return {} end)
    local packed = utils.pack(1, nil, 3)
    return ok, code, out, f(1) == f(1), packed.n, utils.split("a;b", ";")[2], select(2, utils.splitv("x y", " ")), utils.escape "a.b",
      utils.choose(false, 1, 2), utils.array_tostring({ 1, true })[2], utils.function_arg(1, "|x| x * 2")(4), utils.bind1(math.max, 3)(2),
      (pcall(utils.assert_arg, 1, 5, "string")), utils.quote_arg "a b", utils.npairs and 1,
      utils.kpairs and 2, compat.lua51, compat.is_windows, compat.load("return 1 + 1")(), select("#", utils.unpack({ 1, nil }, 1, 2)),
      (utils.raise "x"), utils.get_formatter and 3, utils.fprintf and 4, utils.add_function_factory and 5]==] },
  { "input, URLs, strings as files, balanced text", [==[
    local sum = 0
    for a, b in input.fields({ 1, 2 }, " ", stringio.open "1 2\n3 4\n") do sum = sum + a * b end
    local s = stringio.open "line 1\nline 2\n99"
    local first = s:read()
    local rest = s:read "*a"
    return sum, first, rest, url.quote "a b&c", url.unquote "a%20b", url.quote("a/b", true), luabalanced.match_bracketed("(a(b)c) d", 1),
      luabalanced.match_expression("1 + 2 ; x", 1), luabalanced.match_string('"x y" z', 1)]==] },
  { "dates are read and counted with", [==[
    local d = Date { year = 2024, month = 2, day = 28 }
    d:add { day = 2 }
    local f = Date.Format "yyyy-mm-dd"
    return f:tostring(d), d:is_weekend(), d:last_day():day(), f:parse "2020-01-31":month(), d > Date { year = 2020, month = 1, day = 1 },
      Date.Interval and tostring(Date.Interval(3661)) ]==] },
  { "everything is imported into a table", [==[
    local t = import_into {}
    return type(t.List), type(t.stringx), type(t.utils), t.tablex.size { a = 1 }, tostring(t.List { 1 })]==] },
  { "tests of values raise with their place", [==[
    local ok = pcall(test.asserteq, { 1, 2 }, { 1, 2 })
    local tuple = test.tuple(1, 2) == test.tuple(1, 2)
    return ok, tuple, (pcall(test.assertraise, function() error "x" end, "x"))]==] },
}

local names = {}
for name in pairs(modules) do names[#names + 1] = name end
table.sort(names)

-- Chunks that return the function of a body. `declare` makes the modules local variables.
local declare = {}
for i, name in ipairs(names) do declare[i] = ("local %s = require %q"):format(name, modules[name]) end
declare = table.concat(declare, " ")

local function compile(index, chunk)
  return assert(load(chunk:gsub("BODY", function() return bodies[index][2] end), "=" .. bodies[index][1]))()
end

local forms = {
  { "captured as upvalues", declare .. " return function() BODY end" },
  { "as globals", "return function() BODY end", globals = true },
  { "required in the task", "return function() " .. declare .. " BODY end" },
  { "loaded for the first time in the task", "return function() " .. declare .. " BODY end", unload = true },
}

local function each_module(action)
  for name, module in pairs(modules) do action(name, module) end
end

local function unload()
  for name in pairs(package.loaded) do
    if name:find "^pl%." then package.loaded[name] = nil end
  end
end

-- The same values, and tables of the same class where the script has it too.
local function check_form(form)
  local functions, expected = {}, {}
  if form.globals then each_module(function(name, module) rawset(_G, name, require(module)) end) end
  for i, body in ipairs(bodies) do
    functions[i] = compile(i, form[2])
    expected[i] = table.pack(pcall(functions[i]))
    assert.is_true(expected[i][1], ("%s: %s"):format(body[1], expected[i][2]))
  end
  if form.unload then unload() end
  for _, way in ipairs(ways) do
    for i, result in fast_map(function(i) return table.pack(pcall(functions[i])) end, fast_map.range(1, #bodies), way.options) do
      assert.are.same(expected[i], result, ("%s, %s, in %s"):format(bodies[i][1], form[1], way.name))
    end
  end
  local nested = fast_map.map(function()
    return fast_map.map(function(i) return table.pack(pcall(functions[i])) end, fast_map.range(1, #bodies), { threads_limit = 3 })
  end, { 1 })[1]
  for i = 1, #bodies do
    assert.are.same(expected[i], nested[i], ("%s, %s, in a map inside a task"):format(bodies[i][1], form[1]))
  end
end

describe("Penlight in tasks", function()
  local loaded = {}

  if not pcall(require, "pl.utils") then
    pending "Penlight is not installed"
    return
  end

  setup(function()
    each_module(function(_, module) require(module) end)
    for name, value in pairs(package.loaded) do loaded[name] = value end
  end)

  after_each(function()
    for name, value in pairs(loaded) do package.loaded[name] = value end
    each_module(function(name) rawset(_G, name, nil) end)
  end)

  for _, form in ipairs(forms) do
    it("gives what it gives in a loop, " .. form[1], function() check_form(form) end)
  end

  it("keeps the classes of arguments and results", function()
    local List, Map, OrderedMap, Set, class = require "pl.List", require "pl.Map", require "pl.OrderedMap", require "pl.Set",
      require "pl.class"
    local Point = class()
    function Point:_init(x, y) self.x, self.y = x, y end
    function Point:__add(other) return Point(self.x + other.x, self.y + other.y) end
    local ordered = OrderedMap()
    ordered:set("z", 1):set("a", List { 2 })
    local tasks = { List { 3, 1, 2 }, Map { a = 1 }, ordered, Set { 1, 2 }, Point(1, 2) }
    for _, way in ipairs(ways) do
      for i, back, known, made in fast_map(function(object)
        local known = List:class_of(object) and "List" or Map:class_of(object) and "Map" or Point:class_of(object) and "Point"
        return object, known, { List.range(1, 3), Point(1, 2) + Point(3, 4) }
      end, tasks, way.options) do
        assert.are.equal(getmetatable(tasks[i]), getmetatable(back), way.name)
        assert.are.equal(tasks[i]._class, back._class)
        assert.are.equal(({ "List", "Map", "Map", "Map", "Point" })[i], known)
        assert.is_false(rawequal(tasks[i], back))
        assert.are.equal("{1,2,3}", tostring(made[1]))
        assert.is_true(List:class_of(made[1]) and Point:class_of(made[2]))
        assert.are.equal(4 + 6, made[2].x + made[2].y)
        if i == 3 then assert.are.equal(tostring(tasks[i]), tostring(back)) end
      end
    end
  end)

  it("leaves the strings' methods and a strict _G to the tasks", function()
    local stringx, strict = require "pl.stringx", require "pl.strict"
    local old = getmetatable(_G)
    local before = {}
    for name, value in pairs(string) do before[name] = value end
    setmetatable(_G, nil)
    stringx.import()
    rawset(_G, "penlight_known", 5)
    strict.module("_G", _G, {})
    local seen = {}
    local ok, err = pcall(function()
      for _, way in ipairs(ways) do
        for _, stripped, known, undefined in fast_map(function()
          local fine, message = pcall(function() return penlight_unknown end) -- luacheck: ignore
          return ("  x "):strip() .. ("a,b"):split(",")[2], penlight_known, not fine and message -- luacheck: ignore
        end, { 1, 2, 3 }, way.options) do
          seen[#seen + 1] = ("%s %s %s"):format(stripped, known, undefined)
        end
      end
    end)
    setmetatable(_G, nil)
    setmetatable(_G, old)
    rawset(_G, "penlight_known", nil)
    for name in pairs(string) do string[name] = before[name] end -- luacheck: ignore
    assert.is_true(ok, tostring(err))
    assert.are.equal(9, #seen)
    for _, line in ipairs(seen) do assert.matches("^xb 5 .*penlight_unknown", line) end
  end)
end)
