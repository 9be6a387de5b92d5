"""`seacod model fetch NAME`: a model from ModelScope, proved by loading it."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from seacod.cli.options import add_command, add_commands, add_config
from seacod.config.asr import AsrSettings
from seacod.config.load import load_settings
from seacod.errors import EX_OK, ModelUnavailable
from seacod.paths import Paths
from seacod.speaker_encoders.registry import all_encoders
from seacod.system.processes.interpreter import python
from seacod.system.text.terminal import print_words

HELP = "fetch models"
_LOADING_SECONDS = 600


def add(parser: argparse.ArgumentParser) -> None:
    command = add_command(
        add_commands(parser), "fetch", "download a model and verify it by loading", fetch
    )
    command.add_argument(
        "name",
        help="paraformer-zh, a ModelScope id such as iic/..., or who speaks: "
        + ", ".join(one.name for one in all_encoders()),
    )
    add_config(command)


def fetch(options: argparse.Namespace) -> int:
    """Download one model with what it needs besides, then load it for a trial.

    Raises:
        ModelUnavailable: it cannot be fetched, or does not load.
    """
    from seacod import logs
    from seacod.asr.recognisers import registry as recognisers
    from seacod.models import fetch, registry, speakers

    settings, name = load_settings(options.config), options.name
    # To standard error alone: the service's log file may belong to another user.
    logs.configure(settings.log.model_copy(update={"file": None}), "client")
    models = Paths.resolve(settings).models
    if speakers.is_one(name):
        found = speakers.fetch(name, models, fetch.token(settings.asr), _show)
        _verify_speakers(settings.asr.model_copy(update={"speaker_model": found.name}), models)
        where, blanks = found.directory, " " * 10
        print_words(
            f"\r{where}: good; speakers=true tells speakers apart from now on{blanks}",
            f"\r{where}：可用；今后 speakers=true 即可区分说话人{blanks}",
        )
        return EX_OK
    if registry.hub_id(name) is None:
        print_words(f"{name} needs no download", f"{name} 无需下载")
        return EX_OK
    wanted = settings.asr.model_copy(update={"model": name})
    # Not `Paths.make`: fetching needs no runtime directory and may run beside the service.
    models.mkdir(parents=True, exist_ok=True)
    for one in registry.missing(wanted, models):
        fetch.fetch(one, models, fetch.token(settings.asr), _show)
        print_words(f"\r{one}: fetched{' ' * 30}", f"\r{one}：已下载{' ' * 30}")
    recognisers.claiming(registry.resolve(wanted, models))
    print_words(f"{name}: loading it once to make sure", f"{name}：试加载一次以确认可用")
    _verify(wanted, models)
    print_words(
        f"{name}: good; use it with asr.model: {name} in the configuration, or --model {name}",
        f"{name}：可用；请在配置中设置 asr.model: {name}，或使用 --model {name}",
    )
    return EX_OK


def _show(text: str) -> None:
    print(f"\r{text:<70}", end="" if sys.stdout.isatty() else "\n", flush=True)


def _verify(settings: AsrSettings, models_directory: Path) -> None:
    """Load in a process of its own, whose memory is given back."""
    _try(
        settings.model,
        "from seacod.asr import warmup; from seacod.asr.recognisers.registry import load; "
        "from seacod.models import registry; "
        "m = registry.resolve(s, models); "
        "e = load(m, s.cpu_threads); e.place(s.device, s.precision); "
        "warmup.warm_up(e, m)",
        settings,
        models_directory,
    )


def _verify_speakers(settings: AsrSettings, models_directory: Path) -> None:
    _try(
        "the speaker model",
        "import numpy; from seacod.asr.speakers.encoders import load; "
        "from seacod.models.speakers import resolve; "
        "e = load(resolve(s.speaker_model, models), 'cpu'); "
        "e.embed([numpy.zeros(int(e.window_seconds * 16000), 'float32')])",
        settings,
        models_directory,
    )


def _try(what: str, code: str, settings: AsrSettings, models_directory: Path) -> None:
    """Run a few lines in a process of their own.

    Raises:
        ModelUnavailable: they failed.
    """
    head = (
        "import sys; from pathlib import Path; from seacod.config.asr import AsrSettings; "
        "s = AsrSettings.model_validate_json(sys.argv[1]); models = Path(sys.argv[2]); "
    )
    result = subprocess.run(
        python("-c", head + code, settings.model_dump_json(), str(models_directory)),
        capture_output=True, text=True, check=False, timeout=_LOADING_SECONDS,
    )  # fmt: skip
    if result.returncode != 0:
        last = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ModelUnavailable(
            f"{what} was fetched but does not load: {last}", f"{what} 已下载但无法加载：{last}"
        )
