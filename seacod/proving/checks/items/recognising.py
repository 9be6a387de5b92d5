"""Items: does it recognise, with hotwords, on the right device, with the model as it was made."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import json
import time
from pathlib import Path

import numpy as np

from seacod.accelerators.registry import meant, of_device
from seacod.asr.audio import SAMPLE_RATE
from seacod.asr.hotwords import NO_HOTWORDS
from seacod.asr.recognisers import registry as recognisers
from seacod.errors import SeacodError
from seacod.models import manifest, registry
from seacod.models.examples import EXAMPLES, examples
from seacod.proving import sounds
from seacod.proving.checks.context import CheckContext
from seacod.proving.checks.item import NOTHING, Finding, Unseen, fail, ok, warn, worst
from seacod.proving.likeness import alike, bare
from seacod.system.text.words import Words, reason

# From the articles' checklist: a 10-second recording within 5 seconds.
RECORDING_SECONDS = 10.0
WITHIN_SECONDS = 5.0
# A model that hears less than this share of the synthetic voice right is not the one it should be.
_LEAST_ALIKE = 0.5
_SENTENCES = 3


def recognition(context: CheckContext) -> Finding:
    """Ten seconds of speech, in time, right, with its confidence."""
    model = context.served_model
    recording, said = _ten_seconds()
    began = time.monotonic()
    answer = context.transcribe(recording)
    took = time.monotonic() - began
    text, confidence = answer.text, answer.confidence
    if not text:
        return fail(
            ("ten seconds of speech gave no text", "10 秒语音没有识别出任何文字"),
            ("seacod crashes and journalctl -u seacod; is the model complete (item model)?",
             "查看 seacod crashes 与 journalctl -u seacod；模型是否完整（model 项）？"),
        )  # fmt: skip
    sure = "no confidence" if confidence is None else f"confidence {confidence:.2f}"
    zh_sure = "无置信度" if confidence is None else f"置信度 {confidence:.2f}"
    seen = (
        f"{RECORDING_SECONDS:g} s of speech in {took:.2f} s, {sure}: {text}",
        f"{RECORDING_SECONDS:g} 秒语音用时 {took:.2f} 秒，{zh_sure}：{text}",
    )
    share = alike(text, said)
    if model == "builtin" and share < 1 or share < _LEAST_ALIKE:
        return fail(
            (f"{seen[0]}; what was said is {said}", f"{seen[1]}；原文是 {said}"),
            ("the text is not what was said; see the item model, then restart the service",
             "识别结果不符；请查看 model 项，再重启服务"),
        )  # fmt: skip
    if took > WITHIN_SECONDS:
        return warn(
            seen,
            (f"it should take {WITHIN_SECONDS:g} s at most: is the service busy "
             "(seacod status), is the device right (item device)? seacod bench engine --tune",
             f"应在 {WITHIN_SECONDS:g} 秒内完成：服务是否繁忙（seacod status），设备是否正确"
             "（device 项）？可运行 seacod bench engine --tune"),
        )  # fmt: skip
    return ok(*seen)


def hotwords(context: CheckContext) -> Finding:
    """A test word is heard with hotwords, whether or not without."""
    model = context.served_model
    example = next(one for one in examples() if one["hotwords"])
    word = str(example["hotwords"])
    recording = (EXAMPLES / example["file"]).read_bytes()
    without = word in bare(context.transcribe(recording).text)
    answer = context.transcribe(recording, word)
    if any(one.code == NO_HOTWORDS.code for one in answer.warnings):
        return ok("the model has no hotwords", "所用模型不支持热词")
    text = answer.text
    if word in bare(text):
        how = "and also without it" if without else "and not without it"
        zh = "不加热词也能识别" if without else "不加热词则识别不出"
        return ok(f"{word} is recognised with the hotword, {how}", f"加热词后识别出“{word}”，{zh}")
    judge = fail if model == "builtin" else warn
    return judge(
        (f"{word} is not recognised, even with the hotword: {text}",
         f"加热词后仍未识别出“{word}”：{text}"),
        ("another model hears hotwords better: asr.model: paraformer-zh",
         "可更换热词效果更好的模型：asr.model: paraformer-zh"),
    )  # fmt: skip


def hotword_lists(context: CheckContext) -> Finding:
    """The service has the words that every request is to have."""
    place = context.settings.asr.hotwords_file
    if place is None:
        return ok("no asr.hotwords_file", "未设置 asr.hotwords_file")
    context.served_model  # noqa: B018 - only a worker reads it
    if bad := json.loads(context.get("/health"))["warnings"]:
        return warn(
            (f"{place}: {'; '.join(bad)}", f"{place}：服务无法使用（{'；'.join(bad)}）"),
            ("requests have no words of the server, or those read before; it must be a text "
             "file of words, and readable for the service's user",
             "请求不含服务器热词，或热词有缺漏；请确认文件是热词文本且服务用户可读"),
        )  # fmt: skip
    return ok(f"{place} is read", f"{place} 已读取")


def model(context: CheckContext) -> Finding:
    """The files of the models are those that were made or fetched."""
    settings = context.settings.asr
    if context.no_service is None and (running := context.status["worker"]["model"]):
        # Of the service that runs, which may have been started with another (--model).
        settings = settings.model_copy(update={"model": running})
    try:
        models = registry.resolve(settings, context.paths.models)
        recogniser = recognisers.claiming(models)
        directories = [models.asr, models.vad, models.punctuation]
        found = [_intact(one) for one in directories if one]
    except SeacodError as error:
        return fail(
            (error.message, error.chinese),
            ("seacod model fetch NAME brings it", "用 seacod model fetch 名称 下载"),
        )
    count = sum(number for number, _ in found)
    bad = [one for _, several in found for one in several]
    if models.name == "builtin":
        bad.append(_ONLY_FOR_TRYING)
    return worst(
        bad,
        (f"{models.name} ({recogniser.kind}): {count} files are intact",
         f"{models.name}（{recogniser.kind}）：{count} 个文件完好"),
    )  # fmt: skip


_ONLY_FOR_TRYING = warn(
    ("builtin: for trying and testing, not for real speech", "builtin：仅供试用与测试"),
    ("seacod model fetch paraformer-zh, then asr.model: paraformer-zh",
     "seacod model fetch paraformer-zh，并设置 asr.model: paraformer-zh"),
)  # fmt: skip


def device(context: CheckContext) -> Finding:
    """It runs where it is configured to."""
    wanted, used = context.settings.asr.device, str(context.serving["worker"]["device"])
    has_gpu = context.status["gpu"]["state"] == "read" and bool(context.status["gpu"]["gpus"])
    seen = (f"{used} (asr.device: {wanted})", f"{used}（asr.device: {wanted}）")
    expected = meant(wanted)
    is_on_gpu = of_device(used) is not None
    mend = expected[0].mend_torch if expected else NOTHING
    if of_device(wanted) is not None and not is_on_gpu:
        return fail(seen, mend)
    if has_gpu and wanted == "auto" and not is_on_gpu:
        return warn((f"{seen[0]}, though there is a GPU", f"{seen[1]}，但本机有 GPU"), mend)
    return ok(*seen)


def versions(context: CheckContext) -> Finding:
    """What runs, and whether it is what is installed."""
    own = importlib.metadata.version("seacod")
    running = context.status["version"] if context.open_url is None else own
    try:
        told = context.system().versions if context.served_model else {}
    except Unseen:
        told = {}
    if context.open_url is not None:
        running = told.get("seacod", own)
    words = ", ".join(f"{name} {version}" for name, version in told.items())
    if running != own:
        return warn(
            (f"the service is {running}, this command is {own}",
             f"服务版本 {running}，当前命令版本 {own}"),
            ("systemctl restart seacod starts the installed one",
             "systemctl restart seacod 启动已安装的版本"),
        )  # fmt: skip
    return ok(words or f"seacod {own}", words or f"seacod {own}")


def _ten_seconds() -> tuple[bytes, str]:
    """A WAV file of exactly ten seconds, and what is said in it."""
    parts = sounds.sentences()[:_SENTENCES]
    said = "".join(str(one["text"]) for one in examples()[:_SENTENCES])
    length = int(RECORDING_SECONDS * SAMPLE_RATE)
    pause = np.zeros((length - sum(map(len, parts))) // _SENTENCES, dtype=np.float32)
    whole = np.concatenate([sound for part in parts for sound in (part, pause)])
    return sounds.wav(np.resize(whole, length)), said


def _intact(place: Path | str) -> tuple[int, list[Finding]]:
    """How many files were compared, and what is wrong with them."""
    if isinstance(place, str):
        return _packaged(place)
    try:
        files = manifest.listed(place)
    except FileNotFoundError:
        return 0, [warn(
            (f"{place}: there are no hashes to compare its files with",
             f"{place}：没有可供比对的哈希值"),
            ("only models from seacod model fetch have them",
             "只有 seacod model fetch 下载的模型才有"),
        )]  # fmt: skip
    except (OSError, ValueError) as error:
        return 0, [_damaged(place / manifest.NAME, reason(error))]
    return len(files), [_damaged(*one) for one in manifest.damaged(place, files)]


def _packaged(name: str) -> tuple[int, list[Finding]]:
    """Files of a package that pip installed, which noted their hashes."""
    files = [one for one in importlib.metadata.files(name) or [] if one.hash is not None]
    bad = []
    for one in files:
        try:
            content = Path(str(one.locate())).read_bytes()
        except OSError as error:
            bad.append(_damaged(Path(str(one)), reason(error)))
            continue
        assert one.hash is not None
        digest = hashlib.new(one.hash.mode, content).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != one.hash.value:
            bad.append(_damaged(Path(str(one)), manifest.CHANGED))
    return len(files), bad


def _damaged(file: Path, what: Words) -> Finding:
    return fail(
        (f"{file}: {what[0]}", f"{file}：{what[1]}"),
        ("remove the model's directory and fetch it again (seacod model fetch NAME); the built-in "
         "model comes with an installation",
         "删除模型目录后重新下载（seacod model fetch 名称）；内置模型请重新安装"),
    )  # fmt: skip


ITEMS = (recognition, hotwords, hotword_lists, model, device, versions)
