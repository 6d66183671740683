"""Models from the model hub: only the files that loading reads, in the hub's own cache; where that fails, why."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import time
from pathlib import Path

from emovec_lite.errors import EmovecError, FetchError, disk_errors
from emovec_lite.models.registry import DEFAULT_MODEL

INDEX = "model.safetensors.index.json"
# What loading reads beside the weights. Many a repository holds the same weights twice or in more formats.
SMALL = [
    "config.json", "generation_config.json", INDEX, "tokenizer.json", "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json", "chat_template.jinja", "chat_template.json", "tokenizer.model",
    "vocab.json", "merges.txt", "vocab.txt", "spiece.model", "tekken.json",
]  # fmt: skip
TRIES = 4
PATIENCE = 300  # seconds that the hub may ask to wait: it counts requests over five minutes


def snapshot(hub_id: str) -> Path:
    """The folder with a hub's model: its configuration, its tokenizer, and the safetensors that its index names.

    Raises `FetchError` where files cannot be had, `CacheError` where they cannot be kept.
    """
    from huggingface_hub.constants import HF_HUB_CACHE

    for attempt in range(1, TRIES + 1):
        try:
            with disk_errors(Path(HF_HUB_CACHE)):
                return _download(hub_id)
        except EmovecError:
            raise
        except Exception as error:  # the hub's and its HTTP library's own kinds share no base
            wait = _wait(error, attempt) if attempt < TRIES else None
            if wait is None:
                raise FetchError(f"Could not get {hub_id} from the model hub: {_reason(hub_id, error)}") from error
            print(f"Fetching {hub_id}: {_short(error)}. Trying again in {wait} s", flush=True)
            time.sleep(wait)
    raise AssertionError("the last try returns or raises")


def weight_files(folder: Path) -> list[str]:
    """The names of the files that hold a folder's model: those in its index, else the one that needs none."""
    index = folder / INDEX
    if not index.exists():
        return ["model.safetensors"]
    return sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))


def _download(hub_id: str) -> Path:
    from huggingface_hub import HfApi, hf_hub_download, snapshot_download
    from huggingface_hub.hf_api import RepoFile

    folder = Path(snapshot_download(hub_id, allow_patterns=SMALL))
    missing = [name for name in weight_files(folder) if not (folder / name).exists()]
    found = HfApi().get_paths_info(hub_id, missing, revision=folder.name) if missing else []
    files = [file for file in found if isinstance(file, RepoFile)]
    if absent := sorted(set(missing) - {file.path for file in files}):
        raise FetchError(
            f"{hub_id} has no {absent[0]} on the model hub, and only weights in safetensors are loaded here. Often "
            "somebody has uploaded a copy of a model that has them."
        )
    cache = folder.parents[2]
    need, free = sum(file.size for file in files), shutil.disk_usage(cache).free
    if need > free:
        raise OSError(errno.ENOSPC, f"{need / 1e9:.3g} GB are needed, and {free / 1e9:.3g} GB are free", str(cache))
    for file in files:  # in this thread, so that Ctrl-C stops it at once
        path = Path(hf_hub_download(hub_id, file.path, revision=folder.name))
        with path.open("rb") as received:
            digest = hashlib.file_digest(received, "sha256").hexdigest()
        if file.lfs and digest != file.lfs.sha256:
            path.resolve().unlink()
            path.unlink(missing_ok=True)
            raise OSError(f"{file.path} came with a wrong checksum")
    return folder


def _wait(error: Exception, attempt: int) -> int | None:
    """The seconds after which another try may do better, or None."""
    from huggingface_hub.errors import HTTPError, LocalEntryNotFoundError

    if response := _response(error):
        tried = response.request.method == "HEAD"  # by huggingface_hub, seven times
        if tried or response.status_code not in (408, 429, 500, 502, 503, 504):
            return None
        asked = response.headers.get("Retry-After", "")
        wait = int(asked) if asked.isdecimal() else 2**attempt
        return wait if wait <= PATIENCE else None
    if isinstance(error, (LocalEntryNotFoundError, ConnectionError)):  # there was no connection to begin with
        return None
    return attempt if isinstance(error, (HTTPError, OSError)) else None


def _reason(hub_id: str, error: Exception) -> str:
    """What went wrong, and what to do."""
    from huggingface_hub import constants, errors

    def because(kind: type[Exception]) -> bool:
        return any(isinstance(cause, kind) for cause in _causes(error))

    response = _response(error)
    status = response.status_code if response else 0
    login = "run `hf auth login` or set HF_TOKEN"
    again = f"Files that are whole are kept, and running it again goes on from there. {DEFAULT_MODEL!r} needs no hub."
    if because(errors.OfflineModeIsEnabled):
        return f"HF_HUB_OFFLINE is set, and {constants.HF_HUB_CACHE} has not all of its files. Unset it for once."
    if because(errors.GatedRepoError):
        lacking = "the account whose token you use has no access" if status == 403 else f"you have to {login}"
        return f"it is gated, and {lacking}. Its licence is accepted on {constants.ENDPOINT}/{hub_id}."
    if because(errors.RepositoryNotFoundError):
        return f"it is not there, or private. Ids are owner/name, as on the model's page; if it is yours, {login}."
    if status in (401, 403):
        return f"{_short(error)}: it refuses your token. To use another, {login}."
    if status == 429:
        return f"{_short(error)}. Try again in some minutes. {again}"
    if not status and isinstance(error, (errors.LocalEntryNotFoundError, ConnectionError)):
        return f"{constants.ENDPOINT} is out of reach ({_short(error)}). Check network and proxy. {again}"
    return f"{_short(error)}. {again}"


def _causes(error: BaseException | None) -> list[BaseException]:
    causes = []
    while error is not None and error not in causes:
        causes.append(error)
        error = error.__cause__ or error.__context__
    return causes


def _response(error: Exception):
    """The hub's answer, if it answered."""
    return next((cause.response for cause in _causes(error) if hasattr(cause, "response")), None)


def _short(error: Exception) -> str:
    if response := _response(error):
        return f"the hub answers {response.status_code} {response.reason_phrase}"
    cause = _causes(error)[1:2] or [error]
    return f"{type(cause[0]).__name__}: {next(iter(str(cause[0]).strip().splitlines()), 'no message').rstrip('.')}"
