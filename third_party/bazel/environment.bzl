"""The Python of a virtual environment, as the toolchain of py_test."""

_BUILD = """
load("@bazel_tools//tools/python:toolchain.bzl", "py_runtime_pair")

exports_files(["stamp"])

py_runtime(
    name = "runtime",
    interpreter_path = "{python}",
    python_version = "PY3",
)

py_runtime_pair(
    name = "runtimes",
    py3_runtime = ":runtime",
)

toolchain(
    name = "toolchain",
    toolchain = ":runtimes",
    toolchain_type = "@bazel_tools//tools/python:toolchain_type",
)
"""

def _test_environment(context):
    venv = context.os.environ.get("EMOJAX_TEST_VENV") or ".venv-test"
    root = context.path(Label("//:WORKSPACE")).dirname
    python = context.path(venv if venv[0] == "/" else "%s/%s" % (root, venv))
    python = python.get_child("bin").get_child("python")
    if not python.exists:
        fail("%s: no such file; make the environment by " % python +
             "`bash launch/test.sh`, or set EMOJAX_TEST_VENV.")
    context.file("BUILD", _BUILD.format(python = python))

    # What is installed, so that tests are run anew when that changes.
    stamp = python.dirname.dirname.get_child("emojax.stamp")
    context.file("stamp", context.read(stamp) if stamp.exists else "")

test_environment = repository_rule(
    doc = "Finds the interpreter that launch/test.sh uses.",
    implementation = _test_environment,
    environ = ["EMOJAX_TEST_VENV"],
    local = True,
)
