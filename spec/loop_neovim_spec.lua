--- A peer inside Neovim, on the loop that is there: `vim.uv`, in older ones `vim.loop`.

local jetd = require 'spec.support.jetd'

local PROGRAM = [[
  local ok, raised = xpcall(function()
    local p
    p = require 'jet.peer'.new {
      port = %d,
      loop = LOOP,
      on_close = function(_, reason) io.stderr:write('closed ', reason, '\n') end,
    }
    p:state { path = 'neovim', value = 1, set = function() end }
    p:set('neovim', 2, { success = function()
      p:fetch('neovim', function(path, event, value)
        if SCHEDULED then
          assert(not vim.in_fast_event())
          vim.api.nvim_buf_set_lines(0, 0, -1, false, { path })
        end
        io.stderr:write(event, ' ', path, ' ', value, '\n')
        p:close()
      end)
    end })
    p:loop()
  end, debug.traceback)
  if not ok then io.stderr:write(raised, '\n') end
]]

describe('Neovim', function()
  -- It brings LuaJIT, so it can load the library that LuaJIT can.
  if not rawget(_G, 'jit') then
    pending 'skipped: for LuaJIT only'
    return
  end
  local found = os.execute 'command -v nvim >/dev/null'
  if found ~= 0 and found ~= true then
    pending 'skipped: nvim is missing'
    return
  end

  for title, loop in pairs {
    ['is a host like any other'] = 'vim.uv or vim.loop',
    ['has callbacks run through vim.schedule'] = '{ uv = vim.uv or vim.loop, schedule = vim.schedule }',
  } do
    it(title, function()
      local path = os.tmpname()
      local file = assert(io.open(path, 'w'))
      local program = PROGRAM:gsub('LOOP', loop):gsub('SCHEDULED', tostring(loop:find 'schedule' ~= nil))
      file:write((program:gsub('%%d', jetd.shared().port)))
      file:close()
      local command = "timeout 30 nvim --headless -u NONE -i NONE -c 'luafile %s' -c 'qa!' 2>&1"
      local pipe = assert(io.popen(command:format(path)))
      local output = pipe:read '*a'
      pipe:close()
      os.remove(path)
      assert.are.equal('add neovim 2\nclosed closed\n', (output:gsub('\r', '')))
    end)
  end
end)
