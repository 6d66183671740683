"""Every error this library raises on purpose: what was wrong, with what value, and what to do."""

from __future__ import annotations

import contextlib
import difflib
import errno
import io
import sys
from collections.abc import Generator, Iterable
from pathlib import Path

# Nor does a message end in a UnicodeEncodeError: what a console (cp1252, ASCII) cannot show becomes a question mark.
if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
    sys.stdout.reconfigure(errors="replace")


class EmovecError(Exception):
    """Base of all the library's own errors."""


class UnknownName(EmovecError):
    """A model, emotion, corpus, topic or layer that does not exist; names the nearest one that does."""

    def __init__(self, kind: str, name: object, known: Iterable[object], more: str = ""):
        known = [str(k) for k in known]
        near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.0)
        hint = f" Nearest: {near[0]!r}." if near else ""
        listing = f" Known: {', '.join(known)}." if len(known) <= 60 else f" {len(known)} are known."
        super().__init__(f"Unknown {kind} {name!r}.{hint}{listing}{' ' if more else ''}{more}")


class CorpusError(EmovecError):
    """A corpus that cannot be read, or that cannot give vectors."""


class ActivationError(EmovecError):
    """Activations that cannot be pooled: a text shorter than the skip, or values that are not finite."""


class ArtifactError(EmovecError):
    """A vectors file that is damaged, or was made with another model, corpus or version."""


class FetchError(EmovecError):
    """A model that could not be downloaded, or whose checksum is wrong."""


class CacheError(EmovecError):
    """A folder or file that cannot be written: read-only, or the disk is full."""


_NOT_WRITABLE = {
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST, errno.EISDIR,
    errno.ENAMETOOLONG,
}  # fmt: skip


@contextlib.contextmanager
def disk_errors(folder: Path) -> Generator[None]:
    """Turn a full disk or a folder that cannot be written into a `CacheError`."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NOT_WRITABLE:
            raise
        raise CacheError(
            f"Cannot write to {error.filename or folder}: {error.strerror}. Free some space, or name another folder "
            "(EMOVEC_CACHE is that of models and of what is computed from them; HF_HOME is the hub's own)."
        ) from error
