# `make demo`: environment, install, and the main job at a small scale, with figures.
# `make test`: the test suite. `make check`: the linter and the slow tests too.
# `make docs`: the site, in docs/_build/html.
# `make report`: tables, figures and pages of the studies in results/, and the README's figure.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check docs report clean

demo: .venv/installed
	$(BIN)/python -m bench.run --grid dsprites_beta --profile demo

# a test that hangs ends its process, of which pytest-xdist starts another
test: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto -m "not slow" \
		--timeout 600 --timeout-method thread

check: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto

report: .venv/installed
	for study in results/*/*/manifest.json; do \
		$(BIN)/python -m bench.report $$(dirname $$study) || exit 1; \
	done
	cp results/laptop/dsprites_beta/mig_vs_reconstruction.png \
		docs/figures/laptop_mig_vs_reconstruction.png

docs: .venv/docs
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -q -W --keep-going docs docs/_build/html

.venv/docs: pyproject.toml constraints.txt .venv/installed
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[docs]"
	touch $@

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[dev]"
	touch $@

clean:
	rm -rf .venv docs/_build docs/tutorial
