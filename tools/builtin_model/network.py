"""The network: FunASR's SeacoParaformer in a small shape, and its configuration file.

The shape follows the big model's (SANM encoder, CIF predictor with upsampled timestamps, SANM
decoder, SeACo bias decoder; Shi et al., "SeACo-Paraformer", 2023), with 128 channels.
"""

from __future__ import annotations

from typing import Any

import torch

from builtin_model.vocabulary import EOS, NO_BIAS, SOS, TOKENS

CHANNELS = 128
MELS, STACKED, STRIDE = 80, 7, 6
FRAME_SECONDS = 0.01 * STRIDE
UPSAMPLED = 3


def configuration() -> dict[str, Any]:
    """The content of config.yaml.

    No dropout: the corpus is varied and blanked at random, and drawing random numbers took a
    quarter of the time.
    """
    decoder = {
        "attention_heads": 4, "linear_units": 512, "dropout_rate": 0.0,
        "positional_dropout_rate": 0.0, "self_attention_dropout_rate": 0.0,
        "src_attention_dropout_rate": 0.0, "kernel_size": 11, "sanm_shfit": 0,
    }  # fmt: skip
    return {
        "model": "SeacoParaformer",
        "model_conf": {
            "ctc_weight": 0.0, "lsm_weight": 0.1, "length_normalized_loss": True,
            "predictor_weight": 1.0, "predictor_bias": 1, "sampling_ratio": 0.0,
            "inner_dim": CHANNELS, "bias_encoder_type": "lstm", "bias_encoder_bid": False,
            "seaco_lsm_weight": 0.0, "seaco_length_normalized_loss": True,
            "train_decoder": False, "NO_BIAS": NO_BIAS, "sos": SOS, "eos": EOS, "ignore_id": -1,
        },
        "encoder": "SANMEncoder",
        "encoder_conf": {
            "output_size": CHANNELS, "attention_heads": 4, "linear_units": 512, "num_blocks": 6,
            "dropout_rate": 0.0, "positional_dropout_rate": 0.0, "attention_dropout_rate": 0.0,
            "input_layer": "pe", "normalize_before": True, "kernel_size": 11, "sanm_shfit": 0,
            "selfattention_layer_type": "sanm",
        },
        "decoder": "ParaformerSANMDecoder",
        "decoder_conf": {**decoder, "num_blocks": 2, "att_layer_num": 2},
        # Six blocks: FunASR's filter for long hotword lists looks into the sixth one.
        "seaco_decoder": "ParaformerSANMDecoder",
        "seaco_decoder_conf": {
            **decoder, "linear_units": 128, "num_blocks": 6, "att_layer_num": 6,
            "use_output_layer": False, "wo_input_layer": True,
        },
        "predictor": "CifPredictorV3",
        "predictor_conf": {
            "idim": CHANNELS, "threshold": 1.0, "l_order": 1, "r_order": 1,
            "tail_threshold": 0.45, "smooth_factor2": 1.0, "noise_threshold2": 0.0,
            "upsample_times": UPSAMPLED, "use_cif1_cnn": False, "upsample_type": "cnn",
        },
        "frontend": "WavFrontend",
        "frontend_conf": {
            "fs": 16000, "window": "hamming", "n_mels": MELS, "frame_length": 25,
            "frame_shift": 10, "lfr_m": STACKED, "lfr_n": STRIDE, "dither": 0.0,
        },
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
    }  # fmt: skip


def build() -> Any:
    """A SeacoParaformer with fresh weights."""
    from funasr import AutoModel  # noqa: F401  (registers encoders, decoders, predictors)
    from funasr.register import tables

    conf = configuration()
    parts = {
        key: conf[key]
        for key in (
            "encoder", "encoder_conf", "decoder", "decoder_conf", "predictor", "predictor_conf",
            "seaco_decoder", "seaco_decoder_conf",
        )
    }  # fmt: skip
    return tables.model_classes["SeacoParaformer"](
        **parts, **conf["model_conf"], input_size=MELS * STACKED, vocab_size=len(TOKENS)
    )


def rates(
    model: Any, encoded: torch.Tensor, mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The predictor's firing rates: per frame, and per upsampled frame.

    Args:
        encoded: (batch, frames, channels).
        mask: (batch, frames), 1 where there is speech.

    Returns:
        (batch, frames) and (batch, frames * UPSAMPLED).
    """
    predictor = model.predictor
    context = encoded.transpose(1, 2)
    convolved = torch.relu(predictor.cif_conv1d(predictor.pad(context))).transpose(1, 2)
    slow = torch.sigmoid(predictor.cif_output(convolved)).squeeze(-1) * mask
    upsampled = predictor.upsample_cnn(context).transpose(1, 2)
    fast = torch.sigmoid(predictor.cif_output2(upsampled)).squeeze(-1)
    return slow, fast * mask.repeat_interleave(UPSAMPLED, dim=1)


def integrate(encoded: torch.Tensor, alphas: torch.Tensor, count: int) -> torch.Tensor:
    """Continuous integrate-and-fire for all tokens at once (threshold 1).

    Frame t gives token u the part of [c(t-1), c(t)] that lies in [u, u+1], c being the running
    sum of `alphas`; the same result as the loop over frames (Dong & Xu, "CIF", 2020).

    Args:
        encoded: (batch, frames, channels).
        alphas: (batch, frames).
        count: tokens to make.

    Returns:
        (batch, count, channels).
    """
    after = alphas.cumsum(dim=1)
    before = after - alphas
    token = torch.arange(count, device=alphas.device, dtype=alphas.dtype)[None, :, None]
    overlap = torch.minimum(after[:, None, :], token + 1) - torch.maximum(before[:, None, :], token)
    return overlap.clamp(min=0) @ encoded
