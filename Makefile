# What is made and what is tested; each line is one command that can be typed as well.

.PHONY: help try test test-all lint generated wheel deb

help:
	@echo "make try        run it in this terminal (./install.sh --try)"
	@echo "make test       what makes the promises (./tests/run)"
	@echo "make test-all   everything, as CI does (./tests/run --all)"
	@echo "make lint       form, types and shell scripts"
	@echo "make generated  write every file that is made from code"
	@echo "make wheel      dist/seacod-VERSION-py3-none-any.whl"
	@echo "make deb        dist/seacod_VERSION_ARCHITECTURE.deb"

try:
	./install.sh --try

test:
	./tests/run

test-all:
	./tests/run --all

lint:
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	shellcheck install.sh tests/run .ci/run tools/make_deb tools/gpu_day systemd/memory-limits packaging/deb/preinst \
	  packaging/deb/postinst packaging/deb/prerm packaging/deb/postrm

generated:
	.venv/bin/python tools/make_generated.py

wheel:
	.venv/bin/python -m pip wheel -q --no-deps --wheel-dir dist .

deb:
	tools/make_deb $(OPTIONS)
