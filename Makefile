# make lab    opens the course in JupyterLab        (ARGS="--no-browser --port=8899" passes through)
# make test   checks it: lint, every test, every notebook from top to bottom
#
# Both install what they need into .venv first, once, and again only when the lists of packages change.

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
EXTRAS := lab,test

.PHONY: lab test format mutants overhead compare stamp clean

lab: .venv/installed
	$(BIN)/jupyter lab notebooks/00_start_here.ipynb $(ARGS)

test: .venv/installed
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check --quiet
	$(BIN)/python -m pytest $(ARGS)

# Lint and format what can be mended without a person.
format: .venv/installed
	$(BIN)/ruff check --fix --quiet
	$(BIN)/ruff format --quiet

# Break each formula of the library in turn and list which test notices.
mutants: .venv/installed
	$(BIN)/python tests/mutants.py $(ARGS)

# What the sampling and training loops cost over bare code.
overhead: .venv/installed
	$(BIN)/python tests/measure_overhead.py

# Our U-Net beside the one of diffusers: speed, then quality after the same ten minutes each.
compare: .venv/installed
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[compare]'
	$(BIN)/python tests/compare_with_diffusers.py $(ARGS)

# Write the address that Colab installs from into every notebook: make stamp REPO=https://…
stamp: .venv/installed
	$(BIN)/python -m course_lib.classroom.colab $(REPO)

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "This course needs Python 3.11 or newer, but $(PYTHON) is %d.%d: name another with make PYTHON=python3.12" % sys.version_info[:2])'
	@echo "Installing into .venv (once; some minutes)"
	@$(PYTHON) -m venv .venv || { echo "The environment could not be made: on Debian and Ubuntu, install python3-venv first."; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@
