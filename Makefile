# Everything that a person types; the work is in scripts/.

# Outside of the clone, so that a second clone builds in seconds.
METROM_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/metrom
CARGO_TARGET_DIR ?= $(METROM_CACHE)/target
export METROM_CACHE CARGO_TARGET_DIR

.DEFAULT_GOAL := help
.PHONY: help run down test story build clean-cache

help: ## say what can be done here
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## from a bare Debian 12 to a running environment of example-repo; may be run again
	@scripts/quickstart up

down: ## remove what `make run` made; only the cache of downloads and builds stays
	@scripts/quickstart down

test: ## what proves this commit; says which parts a slow machine left out
	@scripts/test

story: ## the life of one environment on a real QEMU: a quarter of an hour, on a slow machine three
	@scripts/story

build: ## the program, with the tests' features of its dependencies
	@scripts/packages run
	@cargo build --locked --bin metrom --test it

clean-cache: ## remove the cache as well: built program, container images, machine images
	@scripts/quickstart clean-cache
