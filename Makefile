# The one door to building: `make LUA=lua5.4` gives build/lua5.4/, ready for LUA_PATH and LUA_CPATH.
#
#   make                  build for the newest Lua found
#   make LUA=luajit       build for that interpreter: lua5.1 lua5.2 lua5.3 lua5.4 luajit, or a path to one
#   make TRANSPORTS=      a smaller module: TCP and Unix sockets only (default: websocket,tls)
#   make PROFILE=dev      quick build with debug checks instead of a release
#   eval "$(make -s env LUA=lua5.4)"     let this shell's interpreter find the build
#   make clean            remove all that was built
#
# No Lua headers and no Lua library are needed: the module takes Lua's functions from its host.

LUA     ?= $(firstword $(foreach l,lua5.4 lua5.3 lua5.2 lua5.1 luajit lua,$(if $(shell command -v $(l)),$(l))))
PROFILE ?= release
CARGO   ?= cargo
TRANSPORTS ?= websocket,tls

# Which Lua is it? The usual names say so; any other interpreter is asked.
NAME := $(notdir $(LUA))
KNOWN := lua5.1=lua51 lua5.2=lua52 lua5.3=lua53 lua5.4=lua54 luajit=lua51
FEATURE := $(patsubst $(NAME)=%,%,$(filter $(NAME)=%,$(KNOWN)))
ifeq ($(FEATURE),)
FEATURE := $(shell $(LUA) -e 'print("lua" .. _VERSION:match("%d.%d"):gsub("%.", ""))' 2>/dev/null | cut -f1)
endif

BUILD  := build/$(NAME)
# A directory for each feature, so that switching the Lua does not build everything again.
TARGET := target/$(FEATURE)
OUT    := $(TARGET)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))

ifeq ($(shell uname -s),Darwin)
LIBRARY := libjet.dylib
# Lua's functions are found when the module is loaded; this linker wants to be told.
MODULE_FLAGS := -C link-arg=-undefined -C link-arg=dynamic_lookup
else
LIBRARY := libjet.so
endif

.PHONY: build env clean

build: check-lua
	@echo "$(BUILD): $(PROFILE) build with feature $(FEATURE)"
	@RUSTFLAGS="$(RUSTFLAGS) $(MODULE_FLAGS)" $(CARGO) build --lib --profile $(PROFILE) --no-default-features \
		--features $(FEATURE),$(TRANSPORTS) --target-dir $(TARGET)
	@mkdir -p $(BUILD)/jet
	@if [ -d lua ]; then cp -R lua/. $(BUILD)/; fi
	@cmp -s $(OUT)/$(LIBRARY) $(BUILD)/jet/core.so || { \
		echo "$(BUILD)/jet/core.so: new"; \
		cp $(OUT)/$(LIBRARY) $(BUILD)/jet/core.so.new && mv -f $(BUILD)/jet/core.so.new $(BUILD)/jet/core.so; }

.PHONY: check-lua
check-lua:
	@case "$(FEATURE)" in lua51|lua52|lua53|lua54) ;; \
		*) echo "LUA=$(LUA): no Lua 5.1, 5.2, 5.3, 5.4 or LuaJIT found there" >&2; exit 1;; esac

env:
	@echo "export LUA_PATH='$(CURDIR)/$(BUILD)/?.lua;;'"
	@echo "export LUA_CPATH='$(CURDIR)/$(BUILD)/?.so;;'"

clean:
	rm -rf build target
