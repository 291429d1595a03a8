"""5. What an import costs, each in a fresh interpreter, in turn.

Measured inside the child, around the statement alone, so that the start of the interpreter does
not flatter the ratio. *Ready* goes on to what a program does next, because a lazy import is only
put off: build a client and touch `chat.completions.create`. A first turn, which is not counted,
writes the bytecode. Besides the times, no heavy library may come along with `import
portkey_local`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial

from benchmarks.measure import Comparison, Round
from benchmarks.run import Run
from benchmarks.server import ROOT

HEAVY = ("openai", "numpy", "faiss", "fastembed", "onnxruntime", "aiohttp")
CREATE = "client.chat.completions.create"
OURS_READY = f"client = Portkey(provider='openai', Authorization='sk-0'); {CREATE}"
BARE_READY = f"client = openai.OpenAI(api_key='sk-0'); {CREATE}"
PAIRS = {
    "import": (("import portkey_local", "import httpx"), 1.5),
    "import of the client": (("from portkey_local import Portkey", "import openai"), 1.15),
    "import, and a client ready": (
        (f"from portkey_local import Portkey; {OURS_READY}", f"import openai; {BARE_READY}"),
        None,
    ),
}
TIMED = """
import time
begin = time.perf_counter()
{}
print(time.perf_counter() - begin)
"""
LOADED = "import json, sys, portkey_local; print(json.dumps(sorted(sys.modules)))"


def measure(run: Run) -> None:
    """Compare imports, and look for heavy modules."""
    loaded = {name.split(".")[0] for name in json.loads(child(LOADED))}
    heavy = sorted(loaded & set(HEAVY))
    count = len(json.loads(child(LOADED)))
    found = ", ".join(heavy) if heavy else "none"
    run.remarks.append(
        f"heavy modules loaded by `import portkey_local`: {found} ({count} modules in all)"
    )
    for name, ((ours, peer), goal) in PAIRS.items():
        names = _label(ours), _label(peer)
        comparison = Comparison(
            name, *names, goal=goal, note="wall time inside a fresh interpreter"
        )
        contenders: dict[str, Round] = {
            label: partial(_turn, name, statement)
            for label, statement in zip(names, (ours, peer), strict=True)
        }
        run.compare(name, [comparison], contenders, run.rounds(15))


def _label(statement: str) -> str:
    return statement.split("; ", maxsplit=1)[0] + (" …" if ";" in statement else "")


def _turn(name: str, statement: str) -> dict[str, list[float]]:
    return {name: [float(child(TIMED.format(statement)))]}


def child(code: str) -> str:
    """Return what a fresh interpreter prints."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")])
    )
    ended = subprocess.run(  # noqa: S603 - the code is ours
        [sys.executable, "-c", code],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    if ended.returncode:
        raise RuntimeError(ended.stderr.strip())
    return ended.stdout
