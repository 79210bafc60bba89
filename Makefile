# make help lists the commands. Variables: PRESET, VARS, TARGET, STATE, NAME, PYTHON (see help).
PRESET ?= small
VARS ?=
TARGET ?= local
ALL ?=
FORMAT ?= table
STATE ?= target/state
PYTHON ?=
NAME ?= scenario
FROM ?=
TO ?=
EVERY ?= 5s
DAYS ?=
TABLES ?=
SOAK ?= --kills 100 --appends 50 --interrupts 20 --pairs 10 --disk 1 --worlds 200 --grow small \
    --mornings 5 --simulations 5000
export PRESET VARS PYTHON
# Many containers set it, and then Python compiles all of dbt at each start: 4 s of CPU.
unexport PYTHONDONTWRITEBYTECODE

# To be followed by the target, the folder for the files of the run, and the command.
DBT = .venv/bin/python scripts/run_dbt.py
# To be followed by a label and a command. SIGTERM of make goes to its child alone, so no shell may
# stand between: one command a line.
TIMED = .venv/bin/python scripts/timed.py
# To be followed by a script and its arguments.
STOPPABLE = .venv/bin/python scripts/stoppable.py
# Else commands on a world that is there ask it what it was made from.
GIVEN = $(if $(filter command environment,$(origin PRESET) $(origin VARS)),--given)
# A process for each core, four at most; tests/python/conftest.py says which tests share one.
# The tests of the adapter run dbt in their own process, so they get processes of their own.
PYTEST = .venv/bin/pytest -n logical --maxprocesses 4
# Where `make test` builds the tiny preset; pytest reads the tables from there.
TEST_WAREHOUSE = $(CURDIR)/target/test/warehouse

.DEFAULT_GOAL := help
.PHONY: help setup tools engines build append test-data slim diff validate report scenario export
.PHONY: replay learnability recovery fingerprint test unit bench soak lint docs clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20
	@echo
	@echo '  PRESET=tiny|small|medium|large   size of the world (default small)'
	@echo '  VARS="name: value, name: value"  variables over those of the preset'
	@echo '  TARGET=local|spark|databricks    engine (default local)'
	@echo '  STATE=folder                     where build saves its state, slim reads it'
	@echo '  PYTHON=/path/to/python3.12       interpreter for .venv (3.10 to 3.13)'
	@echo '  NAME=scenario                    of scenario and replay: the schema is <schema>_<name>'
	@echo '  SOAK="--kills 5 --appends 10"    of soak: how many of each fault (default: all)'
	@echo '  TO=folder                        of export; FORMAT=parquet|csv|duckdb'
	@echo '  DAYS=30, TABLES="name name"      of export: the last 30 days, or 2025-11-01..2025-11-30'
	@echo '  FROM=2025-12-01, TO=, EVERY=5s   of replay: first and last day, time from day to day'
	@echo '  ALL=1, FORMAT=json               of fingerprint: int_ tables as well; JSON lines'

setup: ## Prepare .venv (done by the other commands when needed)
	@scripts/setup.sh $(filter spark databricks,$(TARGET))

# The tools of tests and style check.
tools:
	@scripts/setup.sh dev

# And Apache Spark, for the tests that compare the engines.
engines:
	@scripts/setup.sh dev spark

# Unit tests check the SQL on rows of their own, whatever is built: `make test` runs them.
build: setup ## Generate all tables and test them
	@$(TIMED) 'build ($(PRESET))' \
	    .venv/bin/python scripts/slim.py record --state '$(STATE)' --target $(TARGET)

append: setup ## Add days to the world that is there: DAYS=1, TO=2026-01-15 or TO=today
	@$(TIMED) 'append' .venv/bin/python scripts/append.py --target $(TARGET) \
	    --days '$(DAYS)' --to '$(TO)' $(GIVEN)

test-data: setup ## Run every data test on all days of the tables that are there
	@$(TIMED) 'test-data' .venv/bin/python scripts/data_tests.py --target $(TARGET) $(GIVEN)

slim: setup ## Build what changed since make build beside its tables, and test it
	@$(TIMED) 'slim' .venv/bin/python scripts/slim.py build --state '$(STATE)'

diff: setup ## Print what make slim changed in the tables, as target/diff.md
	@$(STOPPABLE) scripts/data_diff.py --state '$(STATE)'

validate: setup ## Print the published validations of the tables built last
	@$(STOPPABLE) scripts/validate.py --target $(TARGET)

# Not within the recipe, which then needs a shell: that would get the signals of make.
report: export PYTHONPATH = scripts
report: setup ## Write a page with charts of the tables built last to target/report.html
	@$(TIMED) 'report' $(STOPPABLE) report --target $(TARGET)

scenario: setup ## Build another policy on the same demand and print the difference
	@$(TIMED) 'scenario' $(STOPPABLE) scripts/scenario.py --target $(TARGET) \
	    --name '$(NAME)'

# FORMAT=table is the default of fingerprint.
export: ## Write the published tables as Parquet, CSV or a DuckDB file, to TO=folder
	@scripts/setup.sh export
	@$(TIMED) 'export' $(STOPPABLE) scripts/export.py --to '$(TO)' \
	    --format '$(patsubst table,parquet,$(FORMAT))' --days '$(DAYS)' --tables '$(TABLES)'

# NAME=scenario is the default of scenario.
replay: setup ## Publish a built world again, a day each EVERY=5s, FROM= TO=, into a second schema
	@$(STOPPABLE) scripts/replay.py --target $(TARGET) --from '$(FROM)' --to '$(TO)' \
	    --every '$(EVERY)' --name '$(patsubst scenario,replay,$(NAME))'

learnability: ## Print what can be learned from the tables: forecasts, stockouts, prices, baskets
	@scripts/setup.sh learn
	@$(TIMED) 'learnability' $(STOPPABLE) scripts/learnability.py

recovery: ## Print how far true demand is recovered from sales and stock, by five methods
	@scripts/setup.sh learn
	@$(TIMED) 'recovery' $(STOPPABLE) scripts/demand_recovery.py

fingerprint: setup ## Print rows and content hash of the tables built last
	@$(DBT) $(TARGET) target $(if $(filter json,$(FORMAT)),--quiet) run-operation fingerprint \
	    --args '{intermediate: $(if $(ALL),true,false), format: "$(FORMAT)"}'

test: engines ## Run all tests on the tiny preset
	@rm -rf target/test
	@PRESET=tiny STOCKTRUE_WAREHOUSE='$(TEST_WAREHOUSE)' STOCKTRUE_SCHEMA=stocktrue \
	    $(TIMED) 'build (tiny)' $(DBT) local target/test build
	@$(TIMED) 'pytest (adapter)' $(PYTEST) tests/python/adapter
	@STOCKTRUE_TINY_WAREHOUSE='$(TEST_WAREHOUSE)' $(TIMED) 'pytest' \
	    $(PYTEST) --ignore tests/python/adapter

unit: engines ## Run the Python tests that need no tables
	@$(TIMED) 'unit (adapter)' $(PYTEST) tests/python/adapter
	@$(TIMED) 'unit' $(PYTEST) -m 'not tables' --ignore tests/python/adapter

bench: tools ## Measure builds and write docs/benchmarks.md (half an hour)
	@mkdir -p target && .venv/bin/python scripts/bench.py

soak: tools ## Kill, interrupt and crowd builds and appends, and check that nothing is lost (hours)
	@$(STOPPABLE) scripts/soak.py $(SOAK)

lint: tools ## Check the style of Python, YAML and SQL, and the types of Python
	@$(TIMED) 'ruff check' .venv/bin/ruff check --output-format concise
	@$(TIMED) 'ruff format' .venv/bin/ruff format --check
	@$(TIMED) 'mypy' .venv/bin/mypy
	@$(TIMED) 'yamllint' .venv/bin/yamllint --strict .
	@.venv/bin/python scripts/kept_parse.py target/lint
	@$(TIMED) 'sqlfluff' .venv/bin/sqlfluff lint models tests analyses report
	@$(TIMED) 'rules' .venv/bin/python scripts/lint_rules.py

docs: ## Write the documentation, lineage first, to target/docs/
	@scripts/setup.sh docs $(filter spark databricks,$(TARGET))
	@$(TIMED) 'docs' $(DBT) $(TARGET) target docs generate --static
	@$(STOPPABLE) lineage target

clean: ## Remove .venv, all generated tables and files
	rm -rf .venv target dbt_packages logs warehouse warehouse_spark .pytest_cache .ruff_cache \
	    .hypothesis stocktrue.egg-info adapter/*.egg-info build
