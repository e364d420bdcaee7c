"""Measures how long cells take to answer, over the Jupyter protocol.

Reads a plan from standard input, one JSON object:
  n        answers per cell
  kernels  [{name, spec, setup: [code], cells: [{name, code}]}]; {i} in code is a number that no answer repeats
  load     {spec, setup, code}: the cell to run in the background, or null
Writes JSON objects, one a line: {kernel, cell, seconds: [...]} or {kernel, cell, error}, and {kernel, cell, done, of} on the way.
An answer is the time from the request to the idle status behind its last output.
"""
import json
import queue
import re
import sys
import time

from jupyter_client.manager import start_new_kernel

LIMIT = 120  # seconds without a message

number = iter(range(1000, 10**9))


def emit(**fields):
    print(json.dumps(fields), flush=True)


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)


def run(kc, code, until=None):
    """Executes a cell and waits for its end, or for the first output if until is "output"."""
    code = code.replace("{i}", str(next(number)))
    begun = time.perf_counter()
    request = kc.execute(code)
    error = None
    while True:
        try:
            message = kc.get_iopub_msg(timeout=LIMIT)
        except queue.Empty:
            raise RuntimeError(f"no answer in {LIMIT} s") from None
        if message["parent_header"].get("msg_id") != request:
            continue
        kind, content = message["msg_type"], message["content"]
        if kind == "error":
            error = plain("\n".join(content["traceback"]))
        if kind == "stream" and until == "output":
            return None
        if kind == "status" and content["execution_state"] == "idle":
            break
    seconds = time.perf_counter() - begun
    if error:
        raise RuntimeError(error)
    return seconds


def measure(kernel, n):
    begun = time.perf_counter()
    km, kc = start_new_kernel(kernel_name=kernel["spec"], startup_timeout=120)
    emit(kernel=kernel["name"], cell="start", seconds=[time.perf_counter() - begun])
    try:
        for code in kernel["setup"]:
            run(kc, code)
        for cell in kernel["cells"]:
            try:
                run(kc, cell["code"])  # what only the first one pays: caches, compiled programs
                seconds = []
                for k in range(n):
                    seconds.append(run(kc, cell["code"]))
                    emit(kernel=kernel["name"], cell=cell["name"], done=k + 1, of=n)
                emit(kernel=kernel["name"], cell=cell["name"], seconds=seconds)
            except RuntimeError as e:
                emit(kernel=kernel["name"], cell=cell["name"], error=str(e))
    finally:
        kc.stop_channels()
        km.shutdown_kernel(now=False)


def main():
    plan = json.load(sys.stdin)
    load = plan.get("load")
    if load:
        km, kc = start_new_kernel(kernel_name=load["spec"], startup_timeout=120)
    try:
        if load:
            for code in load["setup"]:
                run(kc, code)
            run(kc, load["code"], until="output")
        for kernel in plan["kernels"]:
            measure(kernel, plan["n"])
    finally:
        if load:
            km.interrupt_kernel()
            kc.stop_channels()
            km.shutdown_kernel(now=False)


main()
