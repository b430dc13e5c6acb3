-- busted.lua - starts the test runner busted under whatever interpreter runs this file.
require "busted.runner"({ standalone = false })
