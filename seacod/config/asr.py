"""Section `asr`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import ValidationInfo, field_validator

from seacod.accelerators.registry import all_accelerators
from seacod.config import model_names
from seacod.config.setting import Section, setting
from seacod.speaker_encoders.registry import all_encoders

_DEVICES = "|".join(one.device for one in all_accelerators())
_NAMED = (
    ", ".join(f"{one.device} or {one.device}:N" for one in all_accelerators()),
    "、".join(f"{one.device} 或 {one.device}:N" for one in all_accelerators()),
)
_ENCODER_NAMES = [one.name for one in all_encoders()]
_ENCODERS = (
    ", ".join(f"{one.name} ({one.described[0]})" for one in all_encoders()),
    "、".join(f"{one.name}（{one.described[1]}）" for one in all_encoders()),
)
_DEVICE_FORM = f"auto, cpu, {_NAMED[0]}", f"auto、cpu、{_NAMED[1]}"


class AsrSettings(Section, applies="replace", chinese="模型，以及运行它的设备"):
    """The model and the device it runs on."""

    model: str = setting(
        "builtin",
        "builtin (small, for trying and testing, not for real speech), paraformer-zh (the real "
        "Seaco-Paraformer-large), a ModelScope id such as iic/..., or a directory",
        "builtin（内置小模型，仅用于试用与测试）、paraformer-zh（正式模型）、"
        "ModelScope 模型名或本地目录",
        min_length=1,
    )
    vad_model: str = setting(
        "auto",
        "Voice activity detection: auto and silero-vad (needs no download, runs beside the decoder "
        "on cores of its own), fsmn-vad, a hub id or a directory",
        "语音端点检测：auto 与 silero-vad（无需下载，与解码进程一起使用单独的核心）、fsmn-vad、"
        "模型名或目录",
        min_length=1,
    )
    punctuation_model: str = setting(
        "auto",
        "Punctuation: auto (ct-punc with paraformer-zh, otherwise none), none, ct-punc, a hub id "
        "or a directory",
        "标点模型：auto（正式模型用 ct-punc，否则不加标点）、none、ct-punc、模型名或目录",
        min_length=1,
    )
    speaker_model: str = setting(
        "auto",
        "Who speaks (speakers=true): auto (the first of these that was fetched), "
        f"{_ENCODERS[0]} or none; fetched with seacod model fetch NAME",
        "说话人区分（speakers=true）：auto（以下各项中首个已下载的）、"
        f"{_ENCODERS[1]} 或 none；用 seacod model fetch NAME 下载",
        pattern=rf"^(auto|{'|'.join(_ENCODER_NAMES)}|none)$",
        form=(
            f"auto, {', '.join(_ENCODER_NAMES)} or none",
            f"auto、{'、'.join(_ENCODER_NAMES)} 或 none",
        ),
    )
    device: str = setting(
        "auto",
        f"auto (the first GPU if there is one, otherwise the CPU), cpu, {_NAMED[0]}",
        f"auto（有 GPU 用 GPU，否则用 CPU）、cpu、{_NAMED[1]}",
        pattern=rf"^(auto|cpu|({_DEVICES})(:\d+)?)$",
        form=_DEVICE_FORM,
    )
    precision: Literal["auto", "float32", "bfloat16", "float16", "int8"] = setting(
        "auto",
        "What the model computes with: auto (float32 on the CPU, float16 on a GPU), float32, "
        "bfloat16, float16 (GPU only) or int8 (CPU only); 'seacod bench precision' shows what each "
        "costs and changes",
        "模型计算精度：auto（CPU 为 float32，GPU 为 float16）、float32、bfloat16、"
        "float16（仅 GPU）或 int8（仅 CPU）；用 seacod bench precision 比较速度与差异",
    )
    cpu_threads: int = setting(
        0,
        "Threads of the model on the CPU; 0 takes all cores but one, which decodes",
        "CPU 推理线程数；0 表示除一个用于解码外的全部核心",
        between=(0, 1024),
    )
    models_directory: Path | None = setting(
        None,
        "Where fetched models are kept; empty: models/ in the state directory",
        "下载的模型存放目录；留空表示状态目录下的 models/",
    )
    hub_token_file: Path | None = setting(
        None,
        "File with the ModelScope token for private models",
        "私有模型的 ModelScope 令牌文件",
        credential="hub-token",
    )
    max_segment_seconds: float = setting(
        20.0,
        "Longest piece of speech given to the model at once; longer ones are cut at silences",
        "一次送入模型的最长语音片段（秒），更长的在静音处切开",
        between=(2, 60),
    )
    hotwords_file: Path | None = setting(
        None,
        "Hotwords that every request has besides its own: a file, one word a line, read anew when "
        "it changes. Or a directory: all.txt for everybody, NAME.txt for the key or login NAME",
        "所有请求共用的热词：文本文件，每行一个，修改后自动重新读取；也可以是目录，其中 all.txt "
        "对所有人生效，NAME.txt 只对名为 NAME 的密钥或用户生效",
        applies="live",
    )
    replacements_file: Path | None = setting(
        None,
        "Rules for the text after recognition, one a line: OLD => NEW, /EXPRESSION/ => NEW, or "
        "~WORD for whatever sounds like it (needs pip install seacod[pinyin]); read anew when it "
        "changes",
        "识别后的文本替换规则，每行一条：旧 => 新、/正则/ => 新，或 ~词语（读音相近即替换，"
        "需安装 seacod[pinyin]）；修改后自动重新读取",
        applies="live",
    )
    batch_seconds: float = setting(
        120.0,
        "Seconds of audio, padding included, that go through the model together",
        "一批送入模型的音频总时长（秒，含补齐）",
        between=(2, 3_600),
    )

    gathering_seconds: float = setting(
        0.01,
        "How long a batch that is not full waits for speech that is on its way, in seconds",
        "未满的批次等待后续语音的时间（秒）",
        between=(0, 1),
    )
    tune: Literal["auto", "off"] = setting(
        "auto",
        "auto: the first worker on a machine measures between requests which batch sizes are worth "
        "while, and later ones remember; off: batch_seconds alone decides",
        "auto：本机的首个识别进程在空闲时测量合适的批大小，此后的识别进程沿用；off：只按 "
        "batch_seconds",
    )
    inverse_text_normalisation: Literal["off", "on"] = setting(
        "off",
        "Write numbers, dates and units in digits; needs pip install seacod[itn]",
        "将数字、日期、单位写成阿拉伯数字形式；需要安装 seacod[itn]",
    )

    @field_validator("model", "vad_model", "punctuation_model")
    @classmethod
    def _is_a_name(cls, value: str, info: ValidationInfo) -> str:
        return model_names.checked(value, info.field_name or "")
