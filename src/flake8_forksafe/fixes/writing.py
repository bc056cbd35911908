"""Short expressions as code, written the way most code is."""

from __future__ import annotations

import ast
import re


def as_written(node: ast.expr) -> str:
    """The code of `node`, with double quotes where that changes nothing."""
    code = ast.unparse(node)
    doubled = re.sub(r"'((?:[^'\"\\]|\\[^'\"])*)'", r'"\1"', code)
    try:
        same = ast.dump(ast.parse(doubled, mode="eval")) == ast.dump(ast.parse(code, mode="eval"))
    except SyntaxError:
        return code
    return doubled if same else code
