--- Error objects: `{code, message, data}` tables that print as text.
--
-- The metatable exists in this process only: values are sent without metatables.

local core = require 'jet.core'

local errors = {}

--- Words for the keys that `data` of an error may have. The first key that an error has is used.
---@type string[][]
local WORDS = {
  { 'pathAlreadyExists', 'path already exists' },
  { 'pathNotExists', 'path does not exist' },
  { 'foreignPath', 'path belongs to another peer' },
  { 'fetchOnly', 'read-only' },
  { 'wrongKind', 'set is for states and call is for methods' },
  { 'noAccess', 'no access' },
  { 'ownerGone', 'its owner has disconnected' },
  { 'missingParam', 'missing parameter' },
  { 'wrongType', 'wrong type of parameter' },
  { 'unknownMember', 'unknown member' },
  { 'invalidUser', 'unknown user' },
  { 'invalidPassword', 'wrong password' },
  { 'alreadyFetching', 'login after a fetch' },
  { 'userExists', 'user already exists' },
  { 'encodingNotSupported', 'encoding not supported' },
}

-- Longer texts of unknown data are cut; the error object has all of it.
local MAX_TEXT = 200

--- Returns a text of at most `MAX_TEXT` bytes, cut between two characters of UTF-8.
---@param text string
---@return string
local function shortened(text)
  if #text <= MAX_TEXT then
    return text
  end
  return text:sub(1, MAX_TEXT):gsub('[\192-\255]?[\128-\191]*$', '', 1) .. '...'
end

--- Returns a value as text: a string as it is, any other value as JSON.
---@param value any
---@return string
local function plain(value)
  if type(value) == 'string' then
    return value
  end
  return shortened(core.encode(value) or tostring(value))
end

--- Returns the text for a request whose timeout is not a number of seconds.
---@param got table the parameters of the request
---@return string
local function wrong_timeout(got)
  local subject = type(got.path) == 'string' and (" for '%s'"):format(shortened(got.path)) or ''
  local text = "wrong type of parameter: 'timeout'%s: number of seconds expected, got %s"
  return text:format(subject, plain(got.timeout))
end

--- Returns the `data` of an error as text.
---@param err table
---@param subject? string a path that the text need not name again
---@return string|nil text nil if there is no data
local function reason(err, subject)
  local data = err.data
  if data == nil or data == core.null then
    return nil
  elseif type(data) ~= 'table' then
    return plain(data)
  end
  if type(data.reason) == 'string' then
    return data.reason
  end
  if data.wrongType == 'timeout' and type(data.got) == 'table' then
    return wrong_timeout(data.got)
  end
  for _, words in ipairs(WORDS) do
    local value = data[words[1]]
    if value == true or value ~= nil and value == subject then
      return words[2]
    elseif value then
      return ("%s: '%s'"):format(words[2], plain(value))
    end
  end
  if err.code == -32001 and type(data.path) == 'string' then
    return ("'%s'"):format(data.path)
  end
  return plain(data)
end

--- Returns an error as text, with its code and data.
---@param err any an error object or any other raised value
---@return string
function errors.describe(err)
  local meta = getmetatable(err)
  if type(err) ~= 'table' or err.message == nil or type(meta) == 'table' and meta.__tostring and meta ~= errors.META then
    return tostring(err)
  end
  local text = tostring(err.message)
  if err.code ~= nil then
    text = ('%s (%s)'):format(text, tostring(err.code))
  end
  local why = reason(err)
  return why and text .. ': ' .. why or text
end

errors.META = { __tostring = errors.describe }

--- Returns the cause of an error: the words for its data, or the whole error if there are none.
---@param err any
---@param subject? string a path that the text need not name again
---@return string
function errors.cause(err, subject)
  return type(err) == 'table' and reason(err, subject) or errors.describe(err)
end

--- Makes an error object print as text.
---@param err any values that are not tables, and tables with a metatable, stay as they are
---@return any err
function errors.mark(err)
  if type(err) == 'table' and getmetatable(err) == nil then
    return setmetatable(err, errors.META)
  end
  return err
end

--- Returns an error object.
---@param code integer
---@param message string
---@param data? any
---@return table
function errors.new(code, message, data)
  return errors.mark { code = code, message = message, data = data }
end

--- Returns the error for open and later requests of a closed peer.
---@return table
function errors.closed()
  return errors.new(-32000, 'Connection closed')
end

--- Returns the error for a request with wrong params.
---@param data? any
---@return table
function errors.invalid_params(data)
  return errors.new(-32602, 'Invalid params', data)
end

--- Returns the error for a handler that failed.
---@param data? any the value that it raised
---@return table
function errors.internal(data)
  return errors.new(-32603, 'Internal error', data)
end

return errors
