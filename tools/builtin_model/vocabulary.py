"""What the built-in model can write.

`BASE`: characters no two of which espeak-ng pronounces alike, so that synthetic speech decides
which one was said. `HOMOPHONES`: rarer characters, mostly of names, each pronounced exactly like
one of `BASE`. The recogniser alone always writes the base character; only a hotword brings the
other one. That is what hotwords are for in real use, and it makes their effect measurable.
"""

from __future__ import annotations

BASE = (
    "我你他们的是不在有人这大来上国个到说和要会出好年天开下去看想明今早晚点分一二三四五六七八九十"
    "百千零月日周星现关听走打录音写学找买吃做给问等送放请水火车手山风雨花书茶饭菜电高多少快慢老长"
    "热冷红黑北京海城中了也很都吗跟那什么公安全统别机据件面条用能可没让从对为内外南西东桥船飞鸟牛"
    "羊狗猫虎龙草木土贵便笑哭爱住站跑唱读算设床桌空平台春秋休诉知家字朋体女服员票需心里后半气话"
)

HOMOPHONES = {
    "玲": "零", "铭": "明", "晶": "京", "珊": "山", "宏": "红", "洪": "红", "枫": "风",
    "峰": "风", "隆": "龙", "杨": "羊", "洋": "羊", "舟": "周", "诚": "城", "程": "城",
    "冬": "东", "希": "西", "溪": "西", "曦": "西", "萍": "平", "椿": "春", "邱": "秋",
    "宇": "雨", "舒": "书", "添": "天", "金": "今", "悦": "月", "岳": "月", "菲": "飞",
    "佳": "家", "嘉": "家", "泉": "全", "权": "全", "桂": "贵", "欣": "心", "鑫": "心",
    "忠": "中", "曼": "慢", "鹏": "朋", "媛": "员", "畅": "唱", "丰": "风", "福": "服",
    "惠": "会", "健": "件",
}  # fmt: skip

BLANK, SOS, EOS = 0, 1, 2
TOKENS = ["<blank>", "<s>", "</s>", *BASE, *HOMOPHONES, "<no_bias>", "<unk>"]
IDS = {token: number for number, token in enumerate(TOKENS)}
NO_BIAS = IDS["<no_bias>"]

# base character → the characters that sound like it
SOUNDS_LIKE: dict[str, list[str]] = {}
for _rare, _common in HOMOPHONES.items():
    SOUNDS_LIKE.setdefault(_common, []).append(_rare)

# Sentences a person might say, from BASE only: part of training, of the examples, of the tests.
SENTENCES = tuple(
    (
        "今天天气很好 明天早上八点开会 我们晚上去看海 他在北京上大学 请给我一百二十个 "
        "你想吃什么 这个电话是他打的 春天的花很红 我要买三千条 请问车站在那里 "
        "大家都很爱说笑话 他没有来开会 九月十一日下大雨 电话里听不到 东西南北都有人 "
        "你们是从那里来的 我跟他去看海 今晚有大风和雨 桌上有茶和饭菜 没有电了 请开一下录音机 "
        "他们在船上看海鸟 老牛走的很慢 我爱我的国家 明年春天要来 狗跑到桥下去了 请等他一下 "
        "现在是九点二十分 可开录音了 你会说中国话吗 我找到四百条 字写的很好 半年后他来了 "
        "安全要大家做 他出国学了三年 这件要八千 猫在床下 火车到站了 请等我十分"
    ).split()
)


def check() -> None:
    """Every sentence can be written, no character stands twice.

    Raises:
        ValueError: naming the offender.
    """
    if len(set(BASE)) != len(BASE) or set(BASE) & set(HOMOPHONES):
        raise ValueError("a character stands twice in the vocabulary")
    for sentence in SENTENCES:
        unknown = set(sentence) - set(BASE)
        if unknown:
            raise ValueError(f"{sentence}: not in the vocabulary: {''.join(unknown)}")
    for common in HOMOPHONES.values():
        if common not in BASE:
            raise ValueError(f"{common}: not in the vocabulary")
