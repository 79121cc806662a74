# make lab    opens the course in JupyterLab        (ARGS="--no-browser --port=8899" passes through)
# make test   checks it: lint, every test, in two processes, every notebook from top to bottom; make check, the quick tests
#
# Both install what they need into .venv first, once, and again only when the lists of packages change. On Linux,
# PyTorch is the build for the CPU unless there is an NVIDIA card; TORCH=cpu or TORCH=cuda chooses.

PYTHON ?= python3
ARGS ?=
TORCH ?=
BIN := .venv/bin
FIRST := /lab/tree/notebooks/00_start_here.ipynb
LISTS := lab test clip compare coursework nbgrader site

.PHONY: lab test check checksums format notebooks rerun mutants overhead cold-starts compare site stamp pins proof-setup proof-colab proof-emoji proof-coursework proof-jupyterlab clean always

ifneq ($(shell [ -d "$$HOME" ] && [ -w "$$HOME" ] && echo writable),writable)
export HOME := $(CURDIR)/.home
$(info Your home folder cannot be written to: Jupyter's settings and your progress are kept in .home here.)
endif

lab: .venv/lab
	@[ "$$(id -u)" != 0 ] || echo "You are root, which JupyterLab refuses unless told: starting it with --allow-root."
	$(BIN)/jupyter lab --LabApp.default_url=$(FIRST) $(if $(filter 0,$(shell id -u)),--allow-root) $(ARGS)

test: .venv/test
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check --quiet
ifeq ($(strip $(ARGS)),)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -p no:nbval -o addopts="-m 'not proof' --durations=5 -rs" -n 2 --dist worksteal tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile notebooks
else
	$(BIN)/python -m pytest $(ARGS)
endif

# The quick loop: lint, and the tests that take no seconds each; no notebooks, nothing built again.
check: .venv/test
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check --quiet
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -p no:nbval -o addopts= -q -n 2 --dist worksteal $(ARGS) tests

# Enter what was changed in data/ into its list of checksums.
checksums: .venv/lab
	$(BIN)/python -m course_lib.support.files

# Lint and format what can be mended without a person.
format: .venv/test
	$(BIN)/ruff check --fix --quiet
	$(BIN)/ruff format --quiet

# Run notebooks and save them with their outputs: make notebooks N=06, or all of them.
notebooks: .venv/test
	$(BIN)/python tests/save_notebooks.py $(N)

# Run the notebooks as busy hands do: twice, upwards, with every answer pasted, every control moved. Half an hour.
rerun: .venv/test
	$(BIN)/python tests/run_notebooks.py $(ARGS)

# Break each formula of the library in turn and list which test notices.
mutants: .venv/test
	$(BIN)/python tests/mutants.py $(ARGS)

# What the sampling and training loops cost over bare code.
overhead: .venv/lab
	$(BIN)/python tests/measure_overhead.py

# How long until a first picture, on the site and in JupyterLab, and what it loads.
cold-starts: .venv/test
	$(BIN)/python tests/measure_cold_starts.py

# Our U-Net beside the one of diffusers: speed, then quality after the same ten minutes each.
compare: .venv/compare
	$(BIN)/python tests/compare_with_diffusers.py $(ARGS)

# The course's page: a folder that any server can hand out; make site ARGS=elsewhere. Its front page draws.
site: .venv/site
	$(BIN)/python -m course_lib.site $(ARGS)

# Write the address that Colab installs from into every notebook: make stamp REPO=https://…
stamp: .venv/lab
	$(BIN)/python -m course_lib.classroom.colab $(if $(REPO),"$(REPO)")

# Write the lists of versions anew, one of each package for every Python and machine that is served, and check that all
# have wheels there. What is listed stays as it is where it can: to go to newer versions, delete the lists first.
COMPILE := $(BIN)/uv pip compile --quiet --no-header --no-annotate
RESOLVE := $(COMPILE) --universal --fork-strategy=fewest --python-version=3.11.0 pyproject.toml
NVIDIA := '^(cuda|nvidia|triton)'

pins: .venv/lab
	cat course_lib/install/*.txt | sort -u > .venv/all.txt
	$(RESOLVE) --all-extras --output-file=.venv/all.txt
	grep -E $(NVIDIA) .venv/all.txt > course_lib/install/cuda.txt
	for list in $(LISTS); do \
	  $(RESOLVE) --extra=$$list --constraints=.venv/all.txt | grep -vE $(NVIDIA) > course_lib/install/$$list.txt || exit 1; done
	for python in 3.11.0 3.12.0 3.13.0 3.14.0; do \
	  for machine in x86_64-manylinux_2_28 aarch64-manylinux_2_28 macos windows; do \
	    MACOSX_DEPLOYMENT_TARGET=14.0 $(COMPILE) --no-deps --only-binary=:all: --python-version=$$python \
	      --python-platform=$$machine .venv/all.txt > /dev/null || exit 1; done; done

# The set-up from nothing where it is hardest: line ends turned around, a path with spaces and accents, no home folder.
proof-setup:
	$(PYTHON) tests/prove_setup.py

# Every notebook alone in an empty folder, with the versions that Colab has: ARGS="--python python3.12 03" for a part.
proof-colab: .venv/test
	$(BIN)/python tests/prove_colab.py $(ARGS)

# All emoji pictures built again from the sets' packages, byte for byte; make test does so with the sprites alone.
proof-emoji: .venv/test
	$(BIN)/python -m pytest -m proof -p no:nbval -o addopts= tests/test_build_emoji.py

# A class of 300 hands in coursework, and every mark is what was written down beforehand, after a second answer to each
# exercise, where make test has the first: a quarter of an hour. ARGS="--count=30".
proof-coursework: .venv/test
	$(BIN)/python -m pytest -m proof -p no:nbval -o addopts= tests/test_coursework.py
	$(BIN)/python tests/prove_coursework.py $(ARGS)

# Every notebook in JupyterLab, in a browser: run from top to bottom, and read as it was saved, by day and by night. An
# hour or more, needs Chromium; make test does so with the quick ones. ARGS="-k 05" for one.
proof-jupyterlab: .venv/test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -p no:nbval -o addopts="-rs --durations=5" tests/test_jupyterlab.py $(ARGS)

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis

$(LISTS:%=.venv/%): .venv/%: course_lib/install/%.txt course_lib/install/__main__.py pyproject.toml $(if $(TORCH),always)
	@$(PYTHON) -m course_lib.install $(sort lab $*) $(if $(TORCH),--torch=$(TORCH))
	@cd .venv && touch $(sort lab $*)
