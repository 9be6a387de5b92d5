"""Each piece listens for those words of its list that fit its own sound, alone or in a batch."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from seacod.asr.recognisers import funasr_library, seaco_decoding, seaco_paraformer
from seacod.asr.recognisers.seaco_decoding import SeacoDecoder
from seacod.models.registry import BUILTIN

WIDTH = 32
TOKENS = ["<blank>", "<s>", "</s>", *(str(number) for number in range(300))]


@pytest.fixture
def decoder() -> SeacoDecoder:
    """With a hotword branch of random weights, and a random vector for each word."""
    funasr_library.auto_model([BUILTIN], seaco_paraformer.FUNASR)
    from funasr.models.paraformer.decoder import ParaformerSANMDecoder

    torch.manual_seed(1)
    branch = ParaformerSANMDecoder(
        vocab_size=len(TOKENS), encoder_output_size=WIDTH, attention_heads=4, linear_units=WIDTH,
        num_blocks=6, att_layer_num=6, use_output_layer=False, wo_input_layer=True,
        kernel_size=11, sanm_shfit=0,
    )  # fmt: skip
    model = SimpleNamespace(blank_id=0, sos=1, eos=2, seaco_decoder=branch.eval())
    made = SeacoDecoder(
        SimpleNamespace(
            model=model,
            kwargs={"frontend": None, "tokenizer": SimpleNamespace(token_list=TOKENS)},
        )
    )
    made._words.update(((token,), torch.randn(WIDTH)) for token in TOKENS)
    return made


@pytest.mark.parametrize("most_together", [1, 32_768])
def test_they_are_those_that_funasr_chooses_for_it_alone(
    decoder: SeacoDecoder, monkeypatch: pytest.MonkeyPatch, most_together: int
) -> None:
    monkeypatch.setattr(seaco_decoding, "_MOST_TOGETHER", most_together)
    lists = [[(str(n),) for n in range(*ends)] for ends in ((0, 60), (40, 140), (0, 10), (40, 140))]
    hidden, counts = torch.randn(len(lists), 9, WIDTH), torch.tensor([9, 4, 7, 6])
    with torch.inference_mode():
        chosen = decoder._fitting(hidden, counts, lists)
        assert sorted(chosen) == [0, 1, 3]
        for row, words in chosen.items():
            count = counts[row : row + 1]
            context = torch.stack([decoder._words[word] for word in (*lists[row], ("<s>",))])
            attention = decoder._model.seaco_decoder.forward_asf6(
                context[None], torch.tensor([len(context)]), hidden[row : row + 1, :count], count
            )
            best = attention[0].sum((0, 1))[:-1].topk(50).indices.tolist()
            assert words == [lists[row][number] for number in best]
