# Two commands for a fresh machine with Python ≥ 3.11, make and a package index:
#   make train   a detector trained from random weights on drawn shapes
#   make test    lint, types, fast tests
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
# uv installs in a quarter of pip's time; pip is asked where uv cannot reach the package index,
# whose address it does not take from pip's settings. Bytecode is compiled at once, as pip does:
# where PYTHONDONTWRITEBYTECODE is set, as in many containers, each process that imports TensorFlow
# would compile it again, for 8 seconds.
UV := $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python
# What one process of a lane compiled the others need not.
JAX := KERAS_BACKEND=jax JAX_COMPILATION_CACHE_DIR=$(CURDIR)/.venv/jax \
	JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0

.PHONY: setup train test lint types test-fast test-jax test-slow test-longest test-slow-jax test-torch kill-test cards lock clean

train: setup
	$(BIN)/python -m zoo.train data=shapes optimizer=adamw

test: lint types test-fast

setup: $(INSTALLED)

$(INSTALLED): requirements.lock requirements-uv.lock pyproject.toml plugins/zoo-ghost/pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --require-hashes -r requirements-uv.lock
	$(UV) --require-hashes -r requirements.lock || $(BIN)/pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e . -e plugins/zoo-ghost
	touch $(INSTALLED)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

# A file stays with one process, which makes what its tests share once.
test-fast: setup
	$(BIN)/pytest -n 2 --dist loadfile -m "not slow and not longest" tests plugins

# On JAX the core of what knows a backend. Nothing is compared with itself uncompiled, for JAX
# compiles that, too, one operation after another; the rest is in test-slow-jax.
test-jax: setup
	$(JAX) $(BIN)/pytest -n 2 -m "not slow and not longest" -k "not equals_eager" \
		tests/darknet/test_forward.py tests/darknet/test_importing.py tests/head \
		tests/layer/test_normalization.py tests/loss/test_darknet_deltas.py \
		tests/loss/test_scaled_loss.py tests/loss/test_yolo_loss.py tests/nms tests/ops \
		tests/training/test_callbacks.py tests/training/test_devices.py \
		tests/training/test_kill.py tests/training/test_saving.py tests/training/test_sgd.py \
		tests/training/test_state.py tests/training/test_transfer.py tests/test_classifier.py \
		tests/test_commands.py tests/test_detector.py tests/test_faithful.py \
		tests/test_network.py plugins

# What takes minutes: large networks, whole trainings, kills, sweeps, AP of real models.
test-slow: setup
	$(BIN)/pytest -n 2 -m slow tests

# Whole trainings of deep models; .ci/run leaves them out.
test-longest: setup
	$(BIN)/pytest -n 2 -m longest tests

# All that computes, and Darknet's updates and several devices, as on TensorFlow.
test-slow-jax: setup
	$(JAX) $(BIN)/pytest -n 2 -m "not slow and not longest" tests/darknet tests/evaluation \
		tests/head tests/layer tests/loss tests/nms tests/ops tests/training \
		tests/test_classifier.py tests/test_commands.py tests/test_detector.py \
		tests/test_faithful.py tests/test_family.py tests/test_network.py plugins
	$(JAX) $(BIN)/pytest -n 2 -m slow tests/training/test_darknet_steps.py \
		tests/training/test_devices.py

# The same models on PyTorch, which setup does not install; the release of which a CPU build exists
# for the machine is the user's to choose: make test-torch TORCH=torch==2.13.0
TORCH ?= torch
test-torch: setup
	$(BIN)/pip install --quiet $(TORCH)
	KERAS_BACKEND=torch $(BIN)/pytest -n 2 tests/darknet tests/nms tests/ops \
		tests/training/test_state.py tests/test_faithful.py tests/test_network.py

# Half an hour and more: what `docs/reproducibility.md` claims.
kill-test: setup
	$(BIN)/python tests/training/kill.py --runs 50
	KERAS_BACKEND=jax $(BIN)/python tests/training/kill.py --runs 50
	$(BIN)/python tests/training/reruns.py

# docs/cards, made from facts; tests hold them to it.
cards: setup
	for card in conf/card/*.yaml; do \
		$(BIN)/python -m zoo.card preset=$$(basename $$card .yaml) directory=docs/cards || exit 1; \
	done

# One lock for Python 3.11 to 3.13, hashed, without registry addresses; and one for uv alone.
LOCK := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --quiet --custom-compile-command "make lock"

lock: setup
	$(LOCK) pyproject.toml --group dev --output-file requirements.lock
	echo uv | $(LOCK) - --output-file requirements-uv.lock

clean:
	rm -rf .venv build dist
