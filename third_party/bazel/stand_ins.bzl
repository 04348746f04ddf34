"""Empty stand-ins for what Bazel 4 would download for its own tools.

Every test is analysed together with Bazel's tools for C++, Java and coverage,
which load their rules from repositories of their own. The rules are those that
Bazel has built in, so that nothing need be downloaded.
"""

_CC = [
    "cc_binary",
    "cc_library",
    "cc_test",
    "cc_toolchain",
    "cc_toolchain_suite",
]

_JAVA = [
    "java_binary",
    "java_import",
    "java_runtime",
    "java_toolchain",
]

_COVERAGE = """
[filegroup(
    name = name,
    visibility = ["//visibility:public"],
) for name in ("coverage_report_generator", "lcov_merger")]
"""

def _stand_in(context):
    context.file("BUILD")
    for path, text in context.attr.files.items():
        context.file(path, text)

_repository = repository_rule(
    doc = "A repository of the given files: path -> text.",
    implementation = _stand_in,
    attrs = {"files": attr.string_dict()},
)

def _built_in(names):
    return "".join(["{0} = native.{0}\n".format(name) for name in names])

def stand_ins():
    """Declares them; to be called before anything else is loaded."""
    for language, names in (("cc", _CC), ("java", _JAVA)):
        _repository(
            name = "rules_" + language,
            files = {
                language + "/BUILD": "",
                language + "/defs.bzl": _built_in(names),
            },
        )
    _repository(
        name = "remote_coverage_tools",
        files = {"BUILD": _COVERAGE},
    )
