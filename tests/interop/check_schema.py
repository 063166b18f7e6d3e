"""Checks JSON texts, one a line of standard input, against a published schema.

    python check_schema.py SCHEMA

Prints a line for each: `ok`, or what is wrong.
"""

import json
import pathlib
import sys

import jsonschema

schema = json.loads(pathlib.Path(sys.argv[1]).read_text())
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
for line in sys.stdin:
    error = jsonschema.exceptions.best_match(validator.iter_errors(json.loads(line)))
    print("ok" if error is None else " ".join(error.message.split()))
