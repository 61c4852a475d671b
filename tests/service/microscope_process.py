"""A process that writes brains as it is told: a line of JSON for each thing to do, "done" for an answer."""

import json
import os
import shutil
import sys
from pathlib import Path


def do(folder: Path, what: str, name: str, *more: object) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if what == "write":
        path.write_bytes(str(more[0]).encode())
    elif what == "write through a temporary name":
        temporary = path.with_name(f".{path.name}.a8Xk2f")
        temporary.write_bytes(str(more[0]).encode())
        temporary.rename(path)
    elif what == "begin":
        with path.open("wb") as stream:
            stream.truncate(int(str(more[0])))
    elif what == "rename":
        path.rename(folder / str(more[0]))
    elif what == "remove":
        shutil.rmtree(path) if path.is_dir() else os.unlink(path)  # noqa: PTH108


if __name__ == "__main__":
    for line in sys.stdin:
        do(Path(sys.argv[1]), *json.loads(line))
        print("done", flush=True)
