--- The documentation: its examples run and print what it says, and the files it names exist.
--
-- Each `lua` block of a page is a program and runs in a process of its own, see `spec.support.doc_program`. What it
-- prints is in a `text` block right behind it, or in comments `--> ...` in it.

-- The examples run in other processes, which a garbage collector in this one does not reach.
if os.getenv 'JET_GC' then
  return
end

local jetd = require 'spec.support.jetd'
local child = require 'spec.support.child'

local PAGES = { 'README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', 'examples/README.md' }

local pipe = io.popen 'ls docs/*.md'
for name in pipe:lines() do
  PAGES[#PAGES + 1] = name
end
pipe:close()

--- Reads a file; nil if there is none.
local function read(name)
  local file = io.open(name)
  local text = file and file:read '*a'
  if file then
    file:close()
  end
  return text
end

--- Returns a text without blanks that do not count: runs of them are one, and lines have none at their end.
local function normal(text)
  return (text:gsub('[ \t]+', ' '):gsub(' ?\n', '\n'):gsub('%s+$', ''))
end

--- Returns what an example is to print according to its comments.
local function announced(code)
  local lines = {}
  for line in code:gmatch '%-%-> ?([^\n]*)' do
    lines[#lines + 1] = line
  end
  return table.concat(lines, '\n')
end

--- Returns the examples of a page.
---@return {line: integer, code: string, output: string}[]
local function examples(page)
  local found, fence, first, block, number = {}, nil, nil, {}, 0
  local last
  for line in (read(page) .. '\n'):gmatch '(.-)\n' do
    number = number + 1
    if fence then
      if line == '```' then
        local text = table.concat(block, '\n')
        if fence == 'lua' then
          last = { line = first, code = text, output = announced(text) }
          found[#found + 1] = last
        elseif fence == 'text' and last then
          last.output = text
        end
        fence = nil
      else
        block[#block + 1] = line
      end
    elseif line:match '^```' then
      fence, first, block = line:match '^```(.*)', number, {}
      if fence ~= 'text' then
        last = nil
      end
    elseif line:match '^#' then
      last = nil
    end
  end
  return found
end

--- Runs an example; returns its exit status and what it printed.
local function run(example)
  local name = os.tmpname()
  local file = assert(io.open(name, 'w'))
  file:write(example.code)
  file:close()
  local _, lines = example.output:gsub('[^\n]+', '')
  local status, printed = child.run(read 'spec/support/doc_program.lua', name, lines, jetd.shared().port)
  os.remove(name)
  return status, printed
end

describe('The documentation', function()
  for _, page in ipairs(PAGES) do
    if read(page) then
      for _, example in ipairs(examples(page)) do
        it(('has a working example at %s:%d'):format(page, example.line), function()
          local status, printed = run(example)
          assert.are.equal(normal(example.output), normal(printed))
          assert.are.equal(0, status)
        end)
      end
    end
  end
end)

--- Returns whether a file or directory exists; a name with `*` stands for at least one.
local function exists(name)
  local done = os.execute(("ls -d -- %s >/dev/null 2>&1"):format(name))
  return done == true or done == 0
end

-- Directories of the repository whose files the documentation names from the root.
local ROOTS = {
  src = true, lua = true, docs = true, spec = true, tests = true, examples = true, scripts = true, bench = true, bin = true,
}

--- Returns the anchor that a heading gets.
local function anchor(heading)
  local text = heading:gsub('`', ''):gsub('%[(.-)%]%(.-%)', '%1'):lower()
  return (text:gsub('[^%w%s_-]', ''):gsub(' ', '-'))
end

--- Returns the anchors of a page.
local function anchors(page)
  local found = {}
  local text = '\n' .. read(page)
  for heading in text:gmatch '\n#+ +([^\n]+)' do
    found[anchor(heading)] = true
  end
  return found
end

describe('The documentation', function()
  for _, page in ipairs(PAGES) do
    local text = read(page)
    if text then
      it('names only files that exist in ' .. page, function()
        for name in text:gmatch '`([%w_./*-]+)`' do
          local root = name:match '^(%w+)/'
          if ROOTS[root] and (name:find '%.%w+$' or name:find '/$') then
            assert.is_true(exists(name), ('%s names %s'):format(page, name))
          end
        end
      end)

      it('links only to pages and headings that exist in ' .. page, function()
        local directory = page:match '^(.*/)' or ''
        for target in text:gmatch '%]%(([^)%s]+)%)' do
          if not target:find '^%w+:' then
            local name, heading = target:match '^([^#]*)#?(.*)$'
            local path = name == '' and page or directory .. name
            assert.is_true(exists(path), ('%s links to %s'):format(page, target))
            if heading ~= '' then
              assert.is_true(anchors(path)[heading] == true, ('%s links to %s'):format(page, target))
            end
          end
        end
      end)
    end
  end
end)

describe('docs/jetd.md', function()
  --- Returns the long options that a program prints in its help, or that a text names in the first columns of tables.
  local function options_in(text, pattern)
    local found = {}
    for line in text:gmatch(pattern) do
      for option in line:gmatch '%-%-%w[%w-]*' do
        found[option] = true
      end
    end
    found['--help'], found['--version'], found['--daemon'] = nil, nil, nil
    return found
  end

  it('has the options of jetd and jetd.lua', function()
    local help = io.popen(jetd.program() .. ' --help')
    local offered = options_in(help:read '*a', '\n +(%-[^\n]-)  ')
    help:close()
    local described = options_in(read 'docs/jetd.md':match '\n## jetd\n(.-)\n## ', '\n|([^|]*)|')
    assert.are.same(offered, described)

    described = options_in(read 'docs/jetd.md':match '\n## jetd.lua\n(.-)\n## ', '\n|([^|]*)|')
    assert.are.same(options_in(read 'bin/jetd.lua', '\n  (%-[^\n]*)'), described)
  end)
end)
