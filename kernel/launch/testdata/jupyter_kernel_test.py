"""Jupyter's own conformance tests (jupyter_kernel_test) for a Go kernel.

    python jupyter_kernel_test.py list       prints the names of all tests
    python jupyter_kernel_test.py NAME       runs one: exit status 0, 1, or 3 if it was skipped

The kernelspec is named by JKT_KERNEL. The samples are the same for every kernel.
"""
import os
import sys
import unittest

import jupyter_kernel_test as jkt

KERNEL = os.environ.get("JKT_KERNEL", "")

# The suite waits 15 s, as an argument's default and by the constant's name: too
# short for a compiler on a busy machine.
jkt.TIMEOUT = 60
for method in jkt.KernelTests.execute_helper, jkt.KernelTests.history_helper:
    method.__defaults__ = tuple(60 if d == 15 else d for d in method.__defaults__)


class Kernel(jkt.KernelTests):
    kernel_name = KERNEL
    language_name = "go"
    file_extension = ".go"
    code_hello_world = '%%\nfmt.Println("hello, world")'
    code_stderr = '%%\nfmt.Fprintln(os.Stderr, "oops")'
    completion_samples = [
        {"text": "%%\nfmt.Printl", "matches": {"Println"}},
        {"text": "%%\nstrings.HasS", "matches": {"HasSuffix"}},
        # Nothing of the kind: no matches, and no error.
        {"text": "%%\nfmt.Nonesuch", "matches": set()},
    ]
    complete_code_samples = ["", "%%\nx := 1", "func f() {\n}", 'import "fmt"', "!ls"]
    incomplete_code_samples = ["func f() {", "f(1,", "s := `raw", "%%\nfor {"]
    invalid_code_samples = ["}", 's := "text', "f(]"]
    code_page_something = "%doc fmt.Println"
    code_generate_error = '%%\npanic("boom")'
    code_execute_result = [
        {"code": "%%\n6 * 7", "result": "42"},
        {"code": '%%\n"go" + "pher"', "result": '"gopher"'},
    ]
    code_display_data = [
        # Without the first line stock gonb asks the network for a version of gonbui.
        {"code": '%noautoget\n%%\ngonbui.DisplayHTML("<b>bold</b>")\ngonbui.Sync()', "mime": "text/html"},
    ]
    code_history_pattern = "*6 [*] 7*"
    supported_history_operations = ("tail", "range", "search")
    code_inspect_sample = "%%\nfmt.Println"
    code_clear_output = "%clear"


class Welcome(jkt.IopubWelcomeTests):
    kernel_name = KERNEL
    support_iopub_welcome = True


def main():
    load = unittest.defaultTestLoader.loadTestsFromTestCase
    tests = {t.id().rsplit(".", 1)[1].removeprefix("test_"): t for c in (Kernel, Welcome) for t in load(c)}
    if sys.argv[1] == "list":
        print("\n".join(tests))
        return 0
    suite = unittest.TestSuite([tests[sys.argv[1]]])
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    if result.skipped:
        for _, reason in result.skipped:
            print("SKIPPED:", reason)
        return 3 if result.wasSuccessful() else 1
    return 0 if result.wasSuccessful() and result.testsRun == 1 else 1


sys.exit(main())
