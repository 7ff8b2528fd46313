--- Starts busted with the interpreter that runs this: `lua5.4 spec/support/busted.lua spec/x_spec.lua`.

require 'busted.runner' { standalone = false }
