# Puts one completion to the tests of its problem. This process runs the tests, which are trusted; the completion
# runs in a child that never sees them, nor the token with which the verdict is signed: it is forked before either
# is read. The two speak through pipes, in pickles that can hold plain values and nothing else. So no line of the
# completion runs where the verdict is made.
import io, json, os, pickle, signal, struct, sys

MOST = 1 << 20  # bytes of a message


def send(fd, value):
    data = pickle.dumps(value, 4)
    data = struct.pack(">I", len(data)) + data
    while data:
        data = data[os.write(fd, data):]


class Plain(pickle._Unpickler):  # the one written in Python: slower, and no bug of it is one of memory
    def find_class(self, module, name):
        raise TypeError("an answer of the type %s.%s, which no test compares" % (module, name))


def receive(fd):
    def read(n):
        data = b""
        while len(data) < n:
            more = os.read(fd, n - len(data))
            if not more:
                raise EOFError("the completion ended its process")
            data += more
        return data
    (n,) = struct.unpack(">I", read(4))
    if n > MOST:
        raise ValueError("an answer of %d bytes, at most %d are read" % (n, MOST))
    return Plain(io.BytesIO(read(n))).load()


def plain(x):
    """What a test compares with ==, without the classes that only the completion knows."""
    for kind in (bool, int, float, str, bytes):
        if isinstance(x, kind):
            return kind(x)
    if isinstance(x, dict):
        return {plain(k): plain(v) for k, v in x.items()}
    for kind in (list, tuple, set, frozenset):
        if isinstance(x, kind):
            return kind(map(plain, x))
    return x  # None; anything else is refused by its pickle


def serve(requests, answers):
    """The completion's side."""
    os.close(0)
    os.dup2(2, 1)
    program, entry = receive(requests)
    space = {"__name__": "solution"}
    try:
        exec(compile(program, "solution", "exec"), space)
        function = space[entry]
    except BaseException as e:
        function = None
        wrong = "%s: %s" % (type(e).__name__, e)
    while True:
        args = receive(requests)
        try:
            answer = ("wrong", wrong) if function is None else ("value", plain(function(*args)))
            send(answers, answer)
        except BaseException as e:
            send(answers, ("wrong", "%s: %.200s" % (type(e).__name__, e)))


def main():
    from_driver, to_child = os.pipe()
    from_child, to_driver = os.pipe()
    if os.fork() == 0:
        os.close(to_child)
        os.close(from_child)
        try:
            serve(from_driver, to_driver)
        finally:
            os._exit(0)
    os.close(from_driver)
    os.close(to_driver)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one signal that would raise in here
    task = json.load(sys.stdin)
    send(to_child, (task["program"], task["entry"]))

    def candidate(*args):
        send(to_child, args)
        kind, value = receive(from_child)
        if kind != "value":
            raise RuntimeError(value)
        return value

    try:
        space = {"__name__": "tests"}
        exec(compile(task["prompt"] + "\n    pass\n", "prompt", "exec"), space)  # tests use its helpers,
        space[task["entry"]] = candidate  # and one of them calls the function by its name
        exec(compile(task["test"], "test", "exec"), space)
        space["check"](candidate)
        verdict = "passed"
    except AssertionError as e:
        verdict = "a test failed"
    except BaseException as e:
        verdict = ("%s: %s" % (type(e).__name__, e)).replace("\n", " ")[:300]
    os.write(1, (task["token"] + " " + verdict).encode("utf-8", "replace"))
    os._exit(0)


main()
