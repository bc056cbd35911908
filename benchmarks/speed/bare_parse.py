"""Parse files with libcst and do nothing with them: what no repair by libcst can do without.

python benchmarks/speed/bare_parse.py FILE...
"""

from __future__ import annotations

import sys
from pathlib import Path

import libcst

for name in sys.argv[1:]:
    libcst.parse_module(Path(name).read_bytes())
