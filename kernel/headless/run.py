"""Executes one notebook and reports on stdout, one JSON object a line.

Started by package headless with the private Python: run.py NOTEBOOK OUT KERNEL
OUT is the file to save to, or "" to save nothing. What was executed so far is
saved also at the first failing cell and at an interrupt.
"""
import json
import os
import re
import signal
import sys
import time

import nbformat
import nbformat.sign
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError


def emit(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def save(nb, out):
    if not out:
        return
    tmp = f"{out}.{os.getpid()}.tmp"
    try:
        nbformat.write(nb, tmp)
        os.replace(tmp, out)
    finally:
        if os.path.exists(tmp):
            os.remove(tmp)
    try:  # so that JupyterLab shows the outputs as the user's own
        nbformat.sign.NotebookNotary().sign(nb)
    except Exception as e:
        print(f"signing {out}: {e}", file=sys.stderr)


def plain(text):
    """Without the colours of a terminal."""
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)


def stderr_of(cell):
    return plain("".join(o.get("text", "") for o in cell.outputs
                         if o.output_type == "stream" and o.name == "stderr"))


def error_of(cell):
    """The cell's error as the kernel words it: a compiler's message is all in the
    traceback, a crash only says its exit status there."""
    for o in reversed(cell.outputs):
        if o.output_type == "error":
            return plain("\n".join(o.traceback).strip() or f"{o.ename}: {o.evalue}")
    return ""


def main(path, out, kernel):
    def interrupt(signum, frame):
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, interrupt)

    nb = nbformat.read(path, as_version=4)
    nb.metadata["kernelspec"] = {"name": kernel, "display_name": "RLHF (GoNB)", "language": "go"}
    cells = [(i, c) for i, c in enumerate(nb.cells) if c.cell_type == "code" and c.source.strip()]
    for c in nb.cells:
        if c.cell_type == "code":
            c.outputs, c.execution_count = [], None
    client = NotebookClient(nb, timeout=None, kernel_name=kernel, record_timing=False, startup_timeout=120,
                            resources={"metadata": {"path": os.path.dirname(os.path.abspath(path))}})
    started = time.monotonic()
    emit("begin", cells=len(cells))
    failed = False
    try:
        with client.setup_kernel():
            info = client.wait_for_reply(client.kc.kernel_info())
            if info:
                nb.metadata["language_info"] = info["content"]["language_info"]
            emit("ready", seconds=time.monotonic() - started)
            for n, (i, cell) in enumerate(cells, 1):
                emit("cell", cell=n, source=cell.source)
                begin = time.monotonic()
                error = None
                try:
                    client.execute_cell(cell, i)
                except CellExecutionError as e:
                    error = error_of(cell) or f"{e.ename}: {e.evalue}"
                except DeadKernelError as e:
                    error = f"the kernel died: {e}"
                seconds = time.monotonic() - begin
                if error is not None:
                    emit("failed", cell=n, seconds=seconds, source=cell.source, error=error, stderr=stderr_of(cell))
                    failed = True
                    break
                emit("done", cell=n, seconds=seconds)
    except KeyboardInterrupt:
        emit("interrupted")
        failed = True
    except Exception as e:
        emit("broken", error=f"{type(e).__name__}: {e}")
        failed = True
    save(nb, out)
    emit("end", ok=not failed, saved=out, seconds=time.monotonic() - started)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
