"""Runs the test file of a Bazel target by pytest."""

import os
import sys

import pytest

arguments = ['-p', 'no:cacheprovider', *sys.argv[1:]]
if 'TESTBRIDGE_TEST_ONLY' in os.environ:  # bazel test --test_filter=...
  arguments += ['-k', os.environ['TESTBRIDGE_TEST_ONLY']]
if 'XML_OUTPUT_FILE' in os.environ:
  arguments += ['--junitxml', os.environ['XML_OUTPUT_FILE']]
sys.exit(pytest.main(arguments))
