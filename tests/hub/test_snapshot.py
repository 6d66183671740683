"""What is fetched from the hub, and what happens when that goes wrong; each case in a process of its own."""

import json
import os
import signal
import time

import pytest

from tests.hub.server import TOKEN

FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
WEIGHTS = {FIRST: os.urandom(60_000), SECOND: os.urandom(50_000)}
INDEX = json.dumps({"weight_map": {"a": FIRST, "b": SECOND, "c": FIRST}}).encode()
MODEL = {"config.json": b"{}", "tokenizer.json": b"[]", "model.safetensors.index.json": INDEX, **WEIGHTS}
FETCH = """
import sys
from emovec_lite.errors import EmovecError
from emovec_lite.models.hub import snapshot
try:
    folder = snapshot("someone/model")
except EmovecError as error:
    sys.exit(f"{type(error).__name__}: {error}")
print(sorted((path.name, path.stat().st_size) for path in folder.rglob("*")))
"""
AT_ONCE = "import time; time.sleep = lambda seconds: None\n"  # what waits is tested elsewhere
WHOLE = str(sorted((name, len(data)) for name, data in MODEL.items()))
KEPT = "Files that are whole are kept, and running it again goes on from there."


@pytest.fixture
def model(hub):
    """The hub, with one model of two files of weights."""
    hub.add("someone/model", MODEL)
    return hub


def test_only_the_weights_that_the_index_names_are_fetched_and_only_once(model, python):
    model.add("someone/model", MODEL | {"model.safetensors": b"again", "consolidated.safetensors": b"and again"})
    assert WHOLE in python(FETCH) and model.fetched() == sorted(MODEL)
    assert WHOLE in python(FETCH) and model.fetched() == sorted(MODEL)


def test_a_model_without_an_index_is_one_file(hub, python):
    hub.add("someone/model", {"config.json": b"{}", "model.safetensors": b"w", "model.fp16.safetensors": b"v"})
    python(FETCH)
    assert hub.fetched() == ["config.json", "model.safetensors"]


@pytest.mark.parametrize("files", ({"config.json": b"{}", "pytorch_model.bin": b"w"}, {"model.gguf": b"w"}))
def test_a_model_without_safetensors_is_refused(hub, python, files):
    hub.add("someone/model", files)
    told = python(FETCH, fails=True)
    assert "FetchError: someone/model has no model.safetensors on the model hub, and only" in told
    assert hub.fetched() == sorted(files.keys() & {"config.json"})


def test_what_is_there_needs_no_hub_and_what_is_half_there_says_so(model, python):
    model.cut[SECOND] = 99
    offline = {"HF_HUB_OFFLINE": "1"}
    assert "FetchError: Could not get someone/model from the model hub: HF_HUB_OFFLINE is set" in python(
        FETCH, fails=True, **offline
    )
    python(AT_ONCE + FETCH, fails=True)
    assert "HF_HUB_OFFLINE is set, and" in python(FETCH, fails=True, **offline)
    model.cut.clear()
    assert WHOLE in python(FETCH)
    assert [file for file, _ in model.gets].count(FIRST) == 1
    asked = len(model.asked)
    assert WHOLE in python(FETCH, **offline) and len(model.asked) == asked
    assert WHOLE in python(FETCH, HF_ENDPOINT="http://127.0.0.1:9")


def test_a_new_version_on_the_hub_is_fetched_but_not_what_has_not_changed(model, python):
    python(FETCH)
    model.gets.clear()
    model.add("someone/model", MODEL | {SECOND: b"another"})
    assert WHOLE not in python(FETCH)
    assert model.fetched() == [SECOND]


def test_no_network_is_told_at_once(python):
    told = python(FETCH, fails=True, HF_ENDPOINT="http://127.0.0.1:9")
    assert "Could not get someone/model from the model hub: http://127.0.0.1:9 is out of reach (ConnectError" in told
    assert "'smollm2-135m' needs no hub" in told and "Trying again" not in told


@pytest.mark.parametrize("token", ({}, {"HF_TOKEN": "hf_mine"}))
def test_an_id_that_is_not_there_is_told_apart(hub, python, token):
    told = python(FETCH, fails=True, **token)
    assert "FetchError: Could not get someone/model from the model hub: it is not there, or private." in told
    assert "Trying again" not in told


def test_a_gated_model_needs_a_token_and_its_licence_accepted(model, python):
    model.gated.add("someone/model")
    told = python(FETCH, fails=True)
    assert "it is gated, and you have to run `hf auth login` or set HF_TOKEN." in told
    assert f"Its licence is accepted on {model.url}/someone/model." in told
    told = python(FETCH, fails=True, HF_TOKEN="hf_mine")
    assert "it is gated, and the account whose token you use has no access." in told and not model.gets
    assert WHOLE in python(FETCH, HF_TOKEN=TOKEN)


def test_a_token_that_has_expired_is_told_apart(model, python):
    assert "the hub answers 401 Unauthorized: it refuses your token." in python(
        FETCH, fails=True, HF_TOKEN="hf_expired"
    )


@pytest.mark.parametrize("route, times", (("api", 1), ("head", 6), ("get", 1)))
def test_it_waits_as_long_as_the_hub_asks(model, python, route, times):
    model.busy[route], model.retry_after = times, 1  # of a head, huggingface_hub first asks a second time at once
    started = time.monotonic()
    assert WHOLE in python(FETCH)
    assert time.monotonic() - started > 1 and model.fetched() == sorted(MODEL)


@pytest.mark.parametrize("route, seconds, tries", (("api", 0, 4), ("api", 3600, 1), ("head", 0, 1)))
def test_a_hub_that_stays_busy_is_told_apart(model, python, route, seconds, tries):
    model.busy[route], model.retry_after = 99, seconds
    told = python(AT_ONCE + FETCH, fails=True)
    assert f"the hub answers 429 Too Many Requests. Try again in some minutes. {KEPT}" in told
    assert told.count("Trying again in 0 s") == tries - 1  # of a head, huggingface_hub has tried it seven times
    assert model.asked.count("GET /api/models/someone/model/revision/main") == tries


def test_a_hub_in_trouble_is_asked_again(model, python):
    model.failing["api"] = 1
    told = python(FETCH)
    assert "the hub answers 503 Service Unavailable. Trying again in 2 s" in told and WHOLE in told


def test_a_transfer_that_breaks_off_goes_on_where_it_was(model, python):
    large = os.urandom(24 << 20)  # it is written in pieces of 10 MB
    model.add("someone/model", MODEL | {SECOND: large})
    model.cut[SECOND] = 1
    assert str(len(large)) in python(FETCH)
    assert model.gets[-2:] == [(SECOND, ""), (SECOND, f"bytes={10 << 20}-")]


@pytest.mark.parametrize("fault", ("reset", "wrong"))
def test_a_file_that_was_not_whole_or_not_right_is_fetched_anew(model, python, fault):
    getattr(model, fault)[FIRST] = 1
    told = python(FETCH)
    assert WHOLE in told and "Trying again in 1 s" in told
    assert model.fetched() == sorted([*MODEL, FIRST])


@pytest.mark.parametrize(
    "fault, reason",
    (
        ("reset", "ReadError"),
        ("wrong", f"{SECOND} came with a wrong checksum."),
        ("short", "Consistency check failed"),
    ),
)
def test_where_that_does_not_help_the_rest_is_kept(model, python, fault, reason):
    getattr(model, fault)[SECOND] = 4
    told = python(AT_ONCE + FETCH, fails=True)
    last = told[told.index("FetchError: ") :]
    assert "Could not get someone/model from the model hub:" in last and reason in last and KEPT in last
    model.gets.clear()
    getattr(model, fault).clear()
    assert WHOLE in python(FETCH) and model.fetched() == [SECOND]


def test_an_interruption_stops_it_at_once_and_keeps_what_is_whole(model, python):
    model.slow[SECOND] = 1.0
    heeds = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # not so in the background
    child = python.start(heeds + FETCH)
    while SECOND not in model.fetched():
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    started = time.monotonic()
    _, err = child.communicate(timeout=30)
    assert "KeyboardInterrupt" in err and time.monotonic() - started < 8  # the whole file would take ten
    model.slow.clear()
    model.gets.clear()
    assert WHOLE in python(FETCH) and model.fetched() == [SECOND]


def test_a_cache_that_cannot_be_written_is_told_with_what_moves_it(model, python, tmp_path):
    (tmp_path / "file").touch()
    told = python(FETCH, fails=True, HF_HOME=str(tmp_path / "file"))
    assert "CacheError: Cannot write to " in told and "HF_HOME is the" in told


def test_a_disk_without_room_is_told_before_weights_are_fetched(model, python):
    small = "import shutil; shutil.disk_usage = lambda path: shutil._ntuple_diskusage(1, 1, 10**5)\n"
    told = python(small + FETCH, fails=True)
    assert "CacheError: Cannot write to " in told and "0.00011 GB are needed, and 0.0001 GB are free." in told
    assert not model.fetched().count(FIRST)


def test_a_disk_that_fills_up_on_the_way_is_told(model, python):
    full = "import io, huggingface_hub.file_download as f, errno\n"
    full += (
        "def http_get(*a, **k): raise OSError(errno.ENOSPC, 'No space left on device', 'x')\nf.http_get = http_get\n"
    )
    assert "CacheError: Cannot write to x: No space left on device." in python(full + FETCH, fails=True)
