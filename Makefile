# Two commands: `make repro` and `make test`. Each sets up what it needs on a machine with git, make and
# Python >= 3.11.
PYTHON ?= python3
STUDY ?= quick
PIPELINE = $(if $(filter quick,$(STUDY)),dvc.yaml,studies/$(STUDY)/dvc.yaml)
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# this tree's lib, in kernels, too, whichever clone the environment knows
export PYTHONPATH := $(CURDIR)$(addprefix :,$(PYTHONPATH))
export DVC_NO_ANALYTICS = 1
NBVAL = pytest --nbval-lax --nbval-current-env --nbval-cell-timeout=300 -n auto --dist loadscope

.PHONY: help filter repro test test-slow figures evidence bench speedrun notebooks lab

help:
	@echo "make repro     raw data -> figures of the quick study"
	@echo "               (another: STUDY=small; on a Ray cluster: RAY=auto)"
	@echo "make test      ruff, pytest, and every notebook"
	@echo "make test-slow real processes, exports, networks of every study: kills, full disks, signals"
	@echo "               (half an hour on 2 cores)"
	@echo "make figures   figures and tables of what is finished, from results/ alone"
	@echo "make evidence  what the texts cite beside the studies: equivalence, updates, tokens, faults"
	@echo "               (an hour on 2 cores)"
	@echo "make bench     what a training step costs, against plain SpikingJelly"
	@echo "               (half an hour, nothing beside it)"
	@echo "make speedrun  a spiking network trained on CIFAR-10: accuracy, minutes, operations"
	@echo "               (40 minutes of one core)"
	@echo "make notebooks the notebooks that teach, 00 to 07, run in place with what they show"
	@echo "               (5 minutes)"
	@echo "make lab       JupyterLab, opened on 00_start_here"
	@echo "make filter    git sees 10 to 38 without outputs (done by the others; by hand with conda)"

.venv/.ready: requirements.txt constraints.txt pyproject.toml tools/ipython_kernel_config.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python %d.%d: \
	3.11 or newer is needed; set PYTHON=python3.11" % sys.version_info[:2])'
	@echo "setting up .venv (torch and its CUDA libraries: about 5.5 GB, a few minutes, once)"
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --progress-bar on --disable-pip-version-check -r requirements.txt
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	mkdir -p .venv/etc/ipython
	cp tools/ipython_kernel_config.py .venv/etc/ipython/
	@$(MAKE) --no-print-directory filter
	touch $@

filter:
	@git config --local include.path ../.gitconfig 2>/dev/null || true # a tree without git needs none

repro: .venv/.ready
	python $(if $(RAY),tools/cluster.py $(PIPELINE) $(RAY),tools/repro.py $(PIPELINE))
	@python tools/readme.py

# as many tests at a time as there are cores: a thread for each, and for each process that it starts
test test-slow: export OMP_NUM_THREADS = 1

test: .venv/.ready
	ruff check .
	ruff format --check --diff .
	pytest -n auto -m "not slow"
	$(NBVAL) notebooks

test-slow: .venv/.ready
	pytest -n auto --dist worksteal -m "slow and not evidence"

figures: .venv/.ready
	python tools/repro.py $(PIPELINE) show
	@python tools/readme.py

evidence: .venv/.ready
	python tools/equivalence.py
	python benchmarks/update.py
	python benchmarks/tokens.py
	python tools/faults.py
	pytest -m evidence tests/settings

bench: .venv/.ready
	python benchmarks/bench.py
	python benchmarks/draw.py
	python benchmarks/profiles.py

# CIFAR-10 is downloaded if neither SNN_DATA nor data/raw holds it
speedrun: .venv/.ready
	@mkdir -p build
	papermill --log-output --progress-bar notebooks/06_speedrun.ipynb build/06_speedrun.ipynb \
		-p study cifar -p task vgg7-cifar10-short

notebooks: .venv/.ready
	python tools/teach.py

lab: .venv/.ready
	jupyter lab --ServerApp.root_dir=. notebooks/00_start_here.ipynb

