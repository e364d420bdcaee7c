"""Teaches papermill this kernel, through its entry point papermill.engine.

    papermill in.ipynb out.ipynb -p size tiny -p runs my-runs -p seed 3

size and runs are the notebooks' dials, which live in the environment; any other
parameter becomes a Go variable, declared behind the cell tagged "parameters",
where it replaces the notebook's own variable of that name:

    str, bool, int, float     string, bool, int, float64
    list, dict                []T, map[string]T if all are of one type, else of any
    null                      any(nil)
"""
import json
import math
import os
import re

from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillException
from papermill.models import Parameter
from papermill.translators import Translator, papermill_translators

SIZES = ("tiny", "default", "large")
KEYWORDS = frozenset("""break case chan const continue default defer else fallthrough for func go goto if import interface
map package range return select struct switch type var""".split())


class Go(Translator):
    """Go source for papermill's parameters."""

    @classmethod
    def comment(cls, text):
        return f"// {text}"

    @classmethod
    def assign(cls, name, value):
        if not re.fullmatch(r"[^\W\d]\w*", name) or name == "_" or name in KEYWORDS:
            raise PapermillException(f"parameter {name!r} cannot be the name of a Go variable")
        return f"var {name} = {value}"

    @classmethod
    def codify(cls, parameters, comment="Parameters"):
        size, runs = parameters.get("size"), parameters.get("runs")
        if size is not None and size not in SIZES:
            raise PapermillException(f"parameter size = {size!r}, want one of {', '.join(SIZES)}")
        lines = [cls.comment(comment)]
        if size is not None:
            lines.append(f"%env RLHF_SIZE {size}")
        if runs is not None and not str(runs).isprintable():
            raise PapermillException(f"parameter runs = {runs!r}, want the path of a folder")
        if runs is not None:  # the engine is there before the first cell: see Engine
            lines.append(cls.comment(f"runs: {runs}"))
        lines += [cls.assign(k, cls.translate(v)) for k, v in parameters.items() if k not in ("size", "runs")]
        return "\n".join(lines) + "\n"

    @classmethod
    def translate_none(cls, val):
        return "any(nil)"

    @classmethod
    def translate_escaped_str(cls, val):
        return json.dumps(str(val), ensure_ascii=False)  # the escapes of JSON are Go's too

    @classmethod
    def translate_int(cls, val):
        if not -2**63 <= val < 2**63:
            raise PapermillException(f"parameter {val} does not fit into Go's int")
        return str(val)

    @classmethod
    def translate_float(cls, val):
        if not math.isfinite(val):
            raise PapermillException(f"parameter {val}: Go has no literal for it")
        return repr(val)

    @classmethod
    def element(cls, values):
        kinds = {bool: "bool", int: "int", float: "float64", str: "string"}
        types = {type(v) for v in values}
        if types == {int, float}:
            types = {float}
        return kinds.get(types.pop(), "any") if len(types) == 1 else "any"

    @classmethod
    def translate_list(cls, val):
        return f"[]{cls.element(val)}{{{', '.join(map(cls.translate, val))}}}"

    @classmethod
    def translate_dict(cls, val):
        pairs = ", ".join(f"{cls.translate_str(k)}: {cls.translate(v)}" for k, v in val.items())
        return f"map[string]{cls.element(val.values())}{{{pairs}}}"

    @classmethod
    def inspect(cls, cell):
        """The variables of the tagged cell that stand on a line of their own."""
        found = [Parameter("size", "string", os.environ.get("RLHF_SIZE", "default"), "one of " + ", ".join(SIZES)),
                 Parameter("runs", "string", os.environ.get("RLHF_RUNS", ""), "folder of the runs, the data folder's by default")]
        for line in cell["source"].splitlines():
            m = re.match(r"\s*(?:var\s+)?(?P<name>[^\W\d]\w*)\s*=\s*(?P<value>.+?)\s*(?://\s*(?P<help>.*))?$", line)
            if m and m["name"] != "size":
                found.append(Parameter(m["name"], "None", m["value"], m["help"] or ""))
        return found


class Engine(NBClientEngine):
    """papermill's own engine; our kernel finds the dials in its environment."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, **kwargs):
        parameters = nb_man.nb.metadata.get("papermill", {}).get("parameters", {})
        if kernel_name == "rlhf-gonb":
            if parameters.get("size") is not None:
                os.environ["RLHF_SIZE"] = parameters["size"]
            if parameters.get("runs") is not None:
                os.environ["RLHF_RUNS"] = os.path.abspath(os.path.expanduser(str(parameters["runs"])))
        return super().execute_managed_notebook(nb_man, kernel_name, **kwargs)


papermill_translators.register("go", Go)
papermill_engines.register(None, Engine)
