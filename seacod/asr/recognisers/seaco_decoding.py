"""From sound to tokens through a loaded SeacoParaformer, each piece of a batch with a hotword list
of its own. `seaco_paraformer.py` owns one and calls it from one thread.

FunASR's own way (`SeacoParaformer.inference`, 1.4.16) keeps one list on the model, picks the 50
words to listen for by a sum over the whole batch, and drops the posteriors. Its parts know better:
in the hotword branch each row of a batch attends to a list of its own length. So features, encoder,
predictor and first decoder run for all pieces together, then the hotword branch for those that have
a list, and each piece has the 50 words that fit its own sound best.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from seacod.asr.audio import Samples
from seacod.asr.recognisers.units import Units
from seacod.asr.recognisers.word_pieces import WordPiece

if TYPE_CHECKING:
    import torch

# So many words the hotword branch listens for at once (FunASR's `nfilter`).
_MOST_HEARD = 50
# Long lists are looked through together up to so many rows times words: 130 MB at the real size.
_MOST_TOGETHER = 32_768
# Words whose encoding is kept; at the real model's size that is 20 MB.
_WORDS_KEPT = 10_000


class SeacoDecoder:
    """See the top of the file. Not thread-safe.

    Args:
        auto_model: FunASR's AutoModel with a SeacoParaformer in it.
    """

    def __init__(self, auto_model: Any) -> None:
        self._model = auto_model.model
        self._frontend = auto_model.kwargs["frontend"]
        self._tokens: Sequence[str] = auto_model.kwargs["tokenizer"].token_list
        self._numbers = {token: number for number, token in enumerate(self._tokens)}
        self._unwritten = {self._model.blank_id, self._model.sos, self._model.eos}
        self._words: OrderedDict[Units, torch.Tensor] = OrderedDict()
        branch = self._model.seaco_decoder
        # A method of its own, so that `precision.py` finds it.
        branch.attend = partial(_attend, branch.decoders)
        for layer in branch.decoders:
            linear = layer.src_attn.linear_k_v
            linear.forward = partial(_once_for_all_rows, linear.forward)

    def __call__(
        self, pieces: Sequence[Samples], lists: Sequence[Sequence[Units]], device: str
    ) -> list[list[WordPiece]]:
        """The tokens of each piece.

        Args:
            pieces: float32 at 16 kHz, each at least a tenth of a second.
            lists: for each piece its hotwords, in units of the model; empty for none.
            device: where the model is.
        """
        model = self._model
        encoded, lengths = model.encode(*self._features(pieces, device))
        embeds, counts = model.calc_predictor(encoded, lengths)[:2]
        counts = counts.round().long()
        if counts.max() < 1:
            return [[] for _ in pieces]
        scores, hidden, _ = model.decoder(
            encoded, lengths, embeds, counts, return_hidden=True, return_both=True
        )
        best, tokens = scores.log_softmax(-1).max(-1)
        said = counts.tolist()
        rows = [row for row, words in enumerate(lists) if words and said[row]]
        if rows:
            most = max(said[row] for row in rows)
            heard, heard_tokens = self._listen(
                embeds[rows, :most], hidden[rows, :most], counts[rows], [lists[row] for row in rows]
            )
            is_heard = heard_tokens != model.NO_BIAS
            best[rows, :most] = heard.where(is_heard, best[rows, :most])
            tokens[rows, :most] = heard_tokens.where(is_heard, tokens[rows, :most])
        return self._timed(encoded, lengths, counts, tokens.cpu(), best.exp().cpu())

    def _features(
        self, pieces: Sequence[Samples], device: str
    ) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        samples = [torch.from_numpy(piece) for piece in pieces]
        padded = torch.nn.utils.rnn.pad_sequence(samples, batch_first=True)
        features, lengths = self._frontend(padded, [len(piece) for piece in samples])
        return features.to(device, torch.float32), lengths.to(device, torch.int32)

    def _listen(
        self,
        embeds: torch.Tensor,
        hidden: torch.Tensor,
        counts: torch.Tensor,
        lists: Sequence[Sequence[Units]],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What the hotword branch writes, with its log-probabilities: `NO_BIAS` where it hears no
        hotword.

        Args:
            embeds, hidden, counts: what predictor and first decoder say, a row for each list.
            lists: none of them empty.
        """
        import torch

        self._encode({word for words in lists for word in words}, embeds.device)
        nothing = self._words[self._nothing]
        fitting = self._fitting(hidden, counts, lists)
        contexts = [
            torch.stack([*(self._words[word] for word in fitting.get(row, words)), nothing])
            for row, words in enumerate(lists)
        ]
        lengths = torch.tensor([len(context) for context in contexts], device=embeds.device)
        context = torch.nn.utils.rnn.pad_sequence(contexts, batch_first=True)
        decoder = self._model.seaco_decoder
        merged = self._model._merge(
            decoder(context, lengths, embeds, counts)[0],
            decoder(context, lengths, hidden, counts)[0],
        )
        best, tokens = self._model.hotword_output_layer(merged).log_softmax(-1).max(-1)
        return best, tokens

    def _fitting(
        self, hidden: torch.Tensor, counts: torch.Tensor, lists: Sequence[Sequence[Units]]
    ) -> dict[int, list[Units]]:
        """For each row with a long list, the words of it that the sixth layer attends to most
        (FunASR's `forward_asf6`)."""
        found = {}
        for rows, words in _together(lists):
            attention = self._attention(hidden[rows], counts[rows], words, [lists[r] for r in rows])
            for row, scores in zip(rows, attention, strict=True):
                found[row] = [words[n] for n in scores.topk(_MOST_HEARD).indices.tolist()]
        return found

    def _attention(
        self,
        hidden: torch.Tensor,
        counts: torch.Tensor,
        words: Sequence[Units],
        lists: Sequence[Sequence[Units]],
    ) -> torch.Tensor:
        """How much each row attends to each of these words, of which it has those of its list.

        Returns:
            shape (rows, words); less than nothing for the words of others.
        """
        import torch

        device, count = hidden.device, len(lists)
        context = torch.stack([*(self._words[word] for word in words), self._words[self._nothing]])
        places = {word: place for place, word in enumerate(words)}
        is_own = torch.zeros((count, len(context)), dtype=torch.bool)
        is_own[:, -1] = True
        for row, own in enumerate(lists):
            is_own[row, [places[word] for word in own]] = True
        is_own = is_own.to(device)
        is_said = (torch.arange(hidden.shape[1], device=device)[None] < counts[:, None])[:, :, None]
        # One copy for all rows; see `_once_for_all_rows`.
        memory = context.expand(count, -1, -1)
        said = is_said.to(hidden.dtype)
        attention = self._model.seaco_decoder.attend(hidden, said, memory, is_own[:, None])
        return (attention * said).sum(1).masked_fill(~is_own, -1.0)[:, :-1]

    @property
    def _nothing(self) -> Units:
        """What stands for "no hotword" at the end of each list."""
        return (self._tokens[self._model.sos],)

    def _encode(self, words: set[Units], device: Any) -> None:
        """Have a vector for each word, and for "no hotword"."""
        import torch

        kept = self._words
        if kept and next(iter(kept.values())).device != device:
            kept.clear()
        words.add(self._nothing)
        while kept and len(kept) + len(words) > _WORDS_KEPT:
            kept.popitem(last=False)
        for word in words & kept.keys():
            kept.move_to_end(word)
        fresh = sorted(words - kept.keys(), key=len)
        if fresh:
            numbers = [torch.tensor([self._numbers[unit] for unit in word]) for word in fresh]
            vectors = self._model._hotword_representation(
                torch.nn.utils.rnn.pad_sequence(numbers, batch_first=True).to(device),
                torch.tensor([len(word) for word in fresh]),
            )
            # Rows of a batch would keep all of it in memory.
            kept.update((word, vector.clone()) for word, vector in zip(fresh, vectors, strict=True))

    def _timed(
        self,
        encoded: torch.Tensor,
        lengths: torch.Tensor,
        counts: torch.Tensor,
        tokens: torch.Tensor,
        posteriors: torch.Tensor,
    ) -> list[list[WordPiece]]:
        """The tokens that are written, with their times."""
        from funasr.utils.timestamp_tools import ts_prediction_lfr6_standard

        model = self._model
        weights: Any = None
        peaks: Any = None
        if model.predictor_name == "CifPredictorV3":
            _, _, weights, peaks = model.calc_predictor_timestamp(encoded, lengths, counts)
            weights, peaks = weights.cpu(), peaks.cpu()
        found = []
        for row, (count, frames) in enumerate(zip(counts.tolist(), lengths.tolist(), strict=True)):
            written = [
                (token, posterior)
                for token, posterior in zip(
                    tokens[row, :count].tolist(), posteriors[row, :count].tolist(), strict=True
                )
                if token not in self._unwritten
            ]
            times: Sequence[Sequence[int]] = []
            if written and weights is not None:
                _, times = ts_prediction_lfr6_standard(
                    weights[row, : frames * 3],
                    peaks[row, : frames * 3],
                    [self._tokens[token] for token, _ in written],
                )
            if len(times) != len(written):
                times = [(0, 0)] * len(written)
            found.append(
                [
                    WordPiece(self._tokens[token], begin / 1000, end / 1000, posterior, token)
                    for (token, posterior), (begin, end) in zip(written, times, strict=True)
                ]
            )
        return found


def _together(lists: Sequence[Sequence[Units]]) -> Iterator[tuple[list[int], list[Units]]]:
    """The rows with long lists, in groups, each with all words of its lists."""
    rows: list[int] = []
    words: dict[Units, None] = {}
    for row, own in enumerate(lists):
        if len(own) <= _MOST_HEARD:
            continue
        more = dict.fromkeys((*words, *own))
        if rows and len(more) * (len(rows) + 1) > _MOST_TOGETHER:
            yield rows, list(words)
            rows, more = [], dict.fromkeys(own)
        rows, words = [*rows, row], more
    if rows:
        yield rows, list(words)


def _attend(
    layers: Any, hidden: torch.Tensor, said: torch.Tensor, memory: torch.Tensor, own: torch.Tensor
) -> torch.Tensor:
    """What the sixth layer attends to, over all heads: shape (rows, tokens, words)."""
    state = hidden
    for index in range(5):
        state, *_ = layers[index](state, said, memory, own)
    attention: torch.Tensor = layers[5].get_attn_mat(state, said, memory, own).sum(1)
    return attention


def _once_for_all_rows(
    linear: Callable[[torch.Tensor], torch.Tensor], memory: torch.Tensor
) -> torch.Tensor:
    """A layer's keys and values of words that are the same for all rows. With a thousand words they
    are nearly all of the work."""
    if memory.stride(0) == 0:
        return linear(memory[:1]).expand(len(memory), -1, -1)
    return linear(memory)
