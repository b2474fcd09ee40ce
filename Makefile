# The doors of the house; what happens behind each is in the script of that name under .ci/.
# LUAS="lua5.4 luajit" limits the interpreters. `make spec SPEC=spec/engine` runs some specs only.

.PHONY: help build release check check-fast check-platforms lint docs format test spec fault-sweep demo setup clean

help: ## Prints this list.
	@sed -n 's/^\([a-z -]*\):.*## /\1\t/p' Makefile | expand -t 18

build: ## Builds the module for each installed Lua, into target/lua.
	@.ci/build

release: ## The same with the release profile, into target/lua-release.
	@.ci/build --release

check lint: ## Checks format, lints and types.
	@.ci/lint

check-fast: ## Lint, one build and the quick specs: under two minutes from a warm build.
	@.ci/check-fast

check-platforms: ## Type-checks Rust for Windows and macOS.
	@.ci/check-platforms

docs: build ## Writes what is generated of docs/ and README.md.
	@.ci/docs

format: ## Formats Rust and Lua.
	@.ci/lint --fix

test: ## Runs all checks: lint, Rust tests, specs on each Lua, the rock, the platforms.
	@.ci/test

spec: build ## Runs the specs.
	@.ci/spec $(SPEC)

fault-sweep: ## Interrupts a switch at every operation.
	@.ci/fault-sweep

demo: ## Applies examples/dotfiles in a throw-away home.
	@.ci/demo

setup: ## Installs what the tests and linters need.
	@.ci/setup

clean: ## Removes the build output.
	rm -rf target
