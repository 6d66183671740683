"""From a model's id on the hub to correlations and figures, for each architecture as it lies there."""

import hashlib
import json

from tests.conftest import ARCHITECTURES


def test_the_demo_runs_with_any_model_of_the_hub_and_fetches_what_that_takes(
    hub, python, checkpoints, stories, tmp_path
):
    corpus = tmp_path / "small.jsonl"
    rows = [{"emotion": s.emotion, "topic": s.topic, "text": s.text[:200]} for s in stories]
    corpus.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    for architecture, (needed, beside) in checkpoints.items():
        hub.add(f"someone/{architecture}", beside | needed)
    code = f"""
from emovec_lite import cli
for name in {ARCHITECTURES}:
    out, corpus = {str(tmp_path)!r} + "/" + name, {str(corpus)!r}
    argv = ["demo", "--model", "someone/" + name, "--corpus", corpus, "--out", out, "--json", out + ".json"]
    assert not cli.main(argv)
"""
    python(code, CUDA_VISIBLE_DEVICES="", OMP_NUM_THREADS="1")
    assert hub.fetched() == sorted(name for needed, _ in checkpoints.values() for name in needed)
    for architecture, (needed, _) in checkpoints.items():
        result = json.loads((tmp_path / f"{architecture}.json").read_text())
        assert result["model"] == f"someone/{architecture}" and result["layers"] == 4
        hashes = [hashlib.sha256(needed[name]).hexdigest() for name in needed if name.endswith(".safetensors")]
        joined = hashlib.sha256("".join(hashes).encode()).hexdigest() if len(hashes) > 1 else hashes[0]
        assert result["provenance"]["weights_sha256"] == joined
        assert len(result["sample"]["texts"]) == 3 and result["other_models"] == {} and not result["notes"]
        assert 0 <= result["held_out"]["accuracy"] <= 1 and -1 <= result["geometry"]["valence"]["ridge"]["r"] <= 1
        assert len(list((tmp_path / architecture).glob("*.png"))) == 3
