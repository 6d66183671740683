"""The `emovec` command."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from pathlib import Path

from emovec_lite import __version__
from emovec_lite.activations import SKIP
from emovec_lite.errors import EmovecError, disk_errors
from emovec_lite.models import DEFAULT_MODEL, MODELS

MODEL = f"{', '.join(MODELS)}; the id of a model on the hub, owner/name; or a folder (default: %(default)s)"


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand; 0 if all went well, 1 after an error of the library's own, 130 after Ctrl-C."""
    parser = _parser()
    args, others = parser.parse_known_args(argv)
    if others and args.run is not _lab:
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    args.others = [other for other in others if other != "--"]
    try:
        return args.run(args)
    except EmovecError as error:
        print(f"emovec: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("emovec: interrupted; nothing half-written was kept", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="emovec", description="Emotion vectors in open language models.")
    parser.add_argument("--version", action="version", version=f"emovec {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    doctor = commands.add_parser("doctor", help="check that the course will run here")
    doctor.set_defaults(run=_doctor)

    fetch = commands.add_parser("fetch", help="download a model and convert it, once")
    fetch.add_argument("model", nargs="?", default=DEFAULT_MODEL, help=MODEL)
    fetch.set_defaults(run=_fetch)

    bundle = commands.add_parser("bundle", help="copy the course, its packages and the model, for use offline")
    bundle.add_argument("folder", type=Path, metavar="DIR", help="a new folder")
    bundle.set_defaults(run=_bundle)

    demo = commands.add_parser("demo", help="check vectors, compare them with people's ratings, steer")
    demo.add_argument(
        "--recompute", action="store_true",
        help="read all stories anew, whatever is shipped or cached: about 4 minutes (default model, 2 cores)",
    )  # fmt: skip
    demo.add_argument("--model", default=DEFAULT_MODEL, metavar="MODEL", help=MODEL)
    demo.add_argument("--corpus", default="shown", metavar="PATH", help="JSON lines: emotion, text or stories, topic")
    demo.add_argument(
        "--skip", type=int, default=SKIP, metavar="N",
        help="tokens at the beginning of each story that do not count (default: %(default)s); fewer for short ones",
    )  # fmt: skip
    demo.add_argument("--out", type=Path, default=Path("emovec-demo"), metavar="DIR", help="where the figures go")
    demo.add_argument(
        "--json", nargs="?", const="-", metavar="FILE", help="the results as JSON ('-': standard output)"
    )
    demo.set_defaults(run=_demo)

    lab = commands.add_parser(
        "lab", help="open the chapters in JupyterLab, with its own options if there are any",
        usage="emovec lab [OPTION OF JUPYTERLAB ...]",
        description="Open the chapters in JupyterLab. On a remote server: emovec lab --no-browser --ip 0.0.0.0",
    )  # fmt: skip
    lab.set_defaults(run=_lab)

    run = commands.add_parser("run", help="execute the solutions: seconds, memory and checks of each")
    run.add_argument("chapters", nargs="*", metavar="NN", help="chapters, all of them if none is named")
    run.set_defaults(run=_run)

    build = commands.add_parser("build", help="make the notebooks from their sources")
    build.add_argument("chapters", nargs="*", metavar="NN", help="chapters, all of them if none is named")
    either = build.add_mutually_exclusive_group()
    either.add_argument("--execute", action="store_true", help="run the solutions and keep their outputs")
    either.add_argument(
        "--check", action="store_true", help="write nothing; fail where a file is not what it should be"
    )
    build.set_defaults(run=_build)
    return parser


def _doctor(args: argparse.Namespace) -> int:
    from emovec_lite.environment import doctor

    return 0 if doctor() else 1


def _fetch(args: argparse.Namespace) -> int:
    from emovec_lite.models import fetch

    with _messages_aside():
        folder = fetch(args.model)
    print(folder)
    return 0


def _bundle(args: argparse.Namespace) -> int:
    from emovec_lite.bundle import bundle
    from emovec_lite.course.outline import repository

    print(bundle(args.folder, repository()))
    return 0


def _demo(args: argparse.Namespace) -> int:
    from emovec_lite.demo import demo
    from emovec_lite.demo_table import table

    file = None if args.json in (None, "-") else Path(os.path.expanduser(args.json))
    if file:
        with disk_errors(file):  # found out now, not when all is computed
            file.parent.mkdir(parents=True, exist_ok=True)
            new = not file.exists()
            file.open("a").close()
            if new:
                file.unlink()
    with _messages_aside() if args.json == "-" else contextlib.nullcontext():
        result = demo(args.model, args.corpus, args.out, args.recompute, args.skip)
        print(table(result))
    text = json.dumps(result, indent=1) + "\n"
    if file:
        with disk_errors(file):
            file.write_text(text, encoding="utf-8")
    elif args.json:
        sys.stdout.write(text)
    return 0


def _messages_aside() -> contextlib.AbstractContextManager:
    """Where standard output is for a result alone, the library's messages go where errors go."""
    return contextlib.redirect_stdout(sys.stderr)


def _lab(args: argparse.Namespace) -> int:
    import importlib.util
    import subprocess

    from emovec_lite.course.outline import CHAPTERS, repository
    from emovec_lite.models import fetch

    if importlib.util.find_spec("jupyterlab") is None:
        raise EmovecError("JupyterLab is not installed here: run `pip install 'emovec-lite[lab]'`.")
    root, first = repository(), CHAPTERS["00"].name
    fetch(os.environ.get("EMOVEC_MODEL") or DEFAULT_MODEL)  # so that the first cell does not wait for a download
    ours, given = [], " ".join(args.others)  # Jupyter refuses an option that it gets twice
    if "root_dir" not in given and "notebook-dir" not in given:
        ours.append(f"--ServerApp.root_dir={root}")
        if "default_url" not in given:
            ours.append(f"--LabApp.default_url=/lab/tree/chapters/{first}.ipynb")
    if "allow_root" not in given and getattr(os, "geteuid", lambda: 1)() == 0:  # in a container, say
        ours.append("--allow-root")
    return subprocess.call([sys.executable, "-m", "jupyterlab", *ours, *args.others])


def _run(args: argparse.Namespace) -> int:
    from emovec_lite.course.run import run

    return 0 if run(args.chapters) else 1


def _build(args: argparse.Namespace) -> int:
    from emovec_lite.course.build import build, stale

    if args.check:
        problems = stale()
        print("\n".join(problems) or "chapters and solutions are what their sources make")
        return 1 if problems else 0
    for path in build(args.chapters, run=args.execute):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
