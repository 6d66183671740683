"""Stories that a model writes itself, asked to show an emotion without saying it (Sofroniew et al. 2026)."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from emovec_lite.errors import CorpusError, disk_errors
from emovec_lite.rules import faults, lexicon
from emovec_lite.stories import CORPORA, Corpus, _read, word_count

if TYPE_CHECKING:
    from emovec_lite.models import Subject

OWN_TOPICS = (
    "an unexpected letter", "a bus that stops on the way", "a new neighbour", "a meal cooked for others",
    "an evening class", "a walk with a dog",
)  # fmt: skip
OWN_PROMPT = (
    "Write a short story of about a hundred words about {topic}. The main character feels {emotion} from beginning "
    "to end. Show it in what the character does, thinks and says, and never use the word {emotion} or any other word "
    "for it. Begin with the story at once."
)
OWN_WORDS = (60, 150)
OWN_TOKENS = 170  # about 130 words, before the cut at a sentence's end
OWN_TEMPERATURE = 0.7
OWN_BATCH = 16


def generate_corpus(
    subject: Subject,
    emotions: Sequence[str],
    topics: Sequence[str] = OWN_TOPICS,
    per_cell: int = 1,
    seed: int = 0,
    path: Path | str | None = None,
) -> Corpus:
    """Have a model write its own stories, `per_cell` for each emotion and topic (Sofroniew et al. 2026, Methods).

    Stories are appended to `path` (default: a file in the cache, named after model and request) batch by batch, as
    they are finished. After an interruption the same call goes on where the file ends and gives the same corpus:
    every story has random numbers of its own, drawn from the seed and its cell, and batches are cut alike. Nothing is
    filtered; `faults` says what came out. Raises `CorpusError` for a file that holds the stories of another request.
    """
    from tqdm.auto import tqdm

    cells = [(e, t, i) for e in emotions for t in topics for i in range(per_cell)]
    if not cells:
        raise CorpusError(f"Nothing to write: {len(emotions)} emotions, {len(topics)} topics, {per_cell} per cell.")
    path = Path(os.path.expanduser(path)) if path is not None else _own_path(subject, cells, seed)
    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        done = _resume(path, cells, subject.spec.name, seed)
        bar = tqdm(total=len(cells), initial=done, desc="Writing", unit=" stories", file=sys.stderr)
        with path.open("a", encoding="utf-8") as file, bar:
            while done < len(cells):
                # Whole batches from fixed places: in another company a story's sums round otherwise, and a token may
                # come out differently.
                start = done // OWN_BATCH * OWN_BATCH
                batch = cells[start : start + OWN_BATCH]
                written = list(zip(batch, _write(subject, batch, seed), strict=True))
                for (emotion, topic, _), text in written[done - start :]:
                    row = {"emotion": emotion, "topic": topic, "model": subject.spec.name, "seed": seed, "text": text}
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
                    file.flush()
                    done += 1
                    bar.update()
    corpus = Corpus(path.stem, _read(path))
    found = ", ".join(f"{share:.0%} {what}" for what, share in faults(corpus).items())
    print(f"{len(corpus)} stories in {path}. Of these: {found}")
    return corpus


def _own_path(subject: Subject, cells: list[tuple[str, str, int]], seed: int) -> Path:
    from emovec_lite.models import results_folder

    request = [cells, seed, subject.weights_sha256, OWN_PROMPT, OWN_TEMPERATURE, OWN_TOKENS, OWN_BATCH]
    request = hashlib.sha256(json.dumps(request).encode()).hexdigest()
    return results_folder() / "stories" / f"{subject.spec.name}-{request[:12]}.jsonl"


def _resume(path: Path, cells: list[tuple[str, str, int]], model: str, seed: int) -> int:
    """How many stories a file already holds; drops a last line that a kill cut short."""
    if not path.exists():
        return 0
    lines = path.read_bytes().split(b"\n")[:-1]  # what stands after the last line's end was cut short
    for i, line in enumerate(lines):
        try:
            row = dict(json.loads(line))
        except (TypeError, ValueError):
            row = {}
        found = tuple(row.get(key) for key in ("emotion", "topic", "model", "seed"))
        expected = (*cells[i][:2], model, seed) if i < len(cells) else None
        if found != expected:
            raise CorpusError(
                f"{path}, line {i + 1}: holds {found}, where this request has {expected}. It was written for another "
                "request: choose another path, or delete it."
            )
    with path.open("r+b") as file:  # only now: another's file stays as it was
        file.truncate(sum(len(line) + 1 for line in lines))
    return len(lines)


def _write(subject: Subject, cells: Sequence[tuple[str, str, int]], seed: int) -> list[str]:
    """One story for each cell, written side by side."""
    from emovec_lite.generation import write

    texts = write(
        subject,
        [subject.chat(OWN_PROMPT.format(emotion=e, topic=t)) for e, t, _ in cells],
        OWN_TOKENS,
        min_new_tokens=OWN_TOKENS // 2,  # about 65 words: an end of text before that is not sampled
        temperature=OWN_TEMPERATURE,
        generators=[_generator(cell, seed) for cell in cells],
    )
    return [_cut(text) for text in texts]


def _generator(cell: tuple[str, str, int], seed: int):
    import torch

    digest = hashlib.sha256(json.dumps([seed, *cell]).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7]))


def _cut(text: str) -> str:
    """A story up to its last whole sentence within 150 words; up to the limit where none ends after 60."""
    low, high = OWN_WORDS
    text = " ".join(text.split())
    ends = [m.end() for m in re.finditer(r"[.!?][\"'”’)]*(?=\s|$)", text)]
    good = [end for end in ends if low <= word_count(text[:end]) <= high]
    if good:
        return text[: good[-1]]
    return " ".join(text.split()[:high])


if __name__ == "__main__":  # write the shipped stories anew: python -m emovec_lite.own_stories
    import torch

    from emovec_lite.models import load_model

    generate_corpus(load_model(dtype=torch.float32), list(lexicon()), path=CORPORA["own"])
