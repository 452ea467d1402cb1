# Everything sets itself up: a virtual environment in .venv, made anew when pyproject.toml changes.

PYTHON ?= python3
# Most tests wait for something rather than compute.
JOBS ?= 4
BIN := .venv/bin

.PHONY: help demo day test quick check booted deb seeds faults soak bench clean

help:  ## say what there is
	@sed -n 's/^\([a-z]*\):.*##/\1\t/p' $(MAKEFILE_LIST) | expand -t 10

demo: .venv/.run  ## see it work: emulator, daemon and a sample tree; ends by itself in under 30 s
	@$(BIN)/tcbsync demo

day: .venv/.run  ## a day of troubles, in two minutes: what the operator sees of each
	@$(BIN)/tcbsync demo --day

test: .venv/.develop  ## all tests, under 10 minutes
	$(BIN)/python -m pytest -q -n $(JOBS) --ignore tests/booted

quick: .venv/.develop  ## the tests that take no time, under 60 s
	$(BIN)/python -m pytest -q -n $(JOBS) -m "not slow" --ignore tests/booted

check: .venv/.develop  ## what the linters say
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

booted: .venv/.develop  ## the service and the Debian package in a Debian that is booted: as root, in 4 minutes
	$(BIN)/python -m pytest -q -rs -n 3 --dist loadfile tests/booted

deb: .venv/.run  ## a Debian package of it, in dist/
	@PYTHON=$(BIN)/python systemd/debian/build dist

seeds: .venv/.develop  ## 20,000 simulated schedules, ten seeds of churn, a crash at every boundary of a first pass: 10 minutes
	$(BIN)/python -m tests.sim --jobs 2 --schedules 20000
	$(BIN)/python -m tests.churn --jobs 2 --seeds 1-10 --seconds 15
	$(BIN)/python -m tests.crash --jobs 2 first

faults: .venv/.develop  ## every crash and every fault on the wire: half an hour
	$(BIN)/python -m tests.crash --jobs 2
	$(BIN)/python -m tests.wire --jobs 2
	$(BIN)/python -m tests.wire --jobs 2 --storms 100

soak: .venv/.develop  ## a million simulated schedules: a night
	$(BIN)/python -m tests.sim --jobs 2 --schedules 1000000

bench: .venv/.bench  ## speed, side by side with peers in the same run: 25 minutes; ROWS="restart idle" for some
	$(BIN)/python -m benchmarks $(ROWS)

clean:  ## forget what was set up
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist

.venv/.run: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; PYTHON=... names one")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/.bench: .venv/.run pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group bench
	@touch $@

.venv/.develop: .venv/.run pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev
	@touch $@
