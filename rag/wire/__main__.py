"""`python -m rag.wire`: the JSON Schema of what the command line prints, on standard output."""

import json
import sys

from rag.wire.schema import schema

json.dump(schema(), sys.stdout, ensure_ascii=False, indent=1)
sys.stdout.write("\n")
