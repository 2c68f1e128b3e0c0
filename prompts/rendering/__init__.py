"""Rendering prompts: text that tenants write, filled with data that customers write.

Neither is trusted. Three walls stand between a template and the process, each enough for what is
known today:

1. **The gate** (`gate.py`, `shape.py`) reads the syntax tree before anything is compiled and lets
   through only listed nodes, filters and tests; `limits.py` bounds source, tokens, nodes, depth.
2. **The sandbox** (`sandbox.py`, `filters/`, `operators.py`) gives the template plain data, no
   globals, no attributes, no calls, only filters and operators of our own, and a budget of work.
3. **The killable process** (`isolation.py`) runs what nobody has published yet: 1 s, 256 MB.

Why a render in process ends, and soon. A template has no jumps but `for` and `if`, no recursion
and no calls, so a node outside a loop runs once at most: 2,500 nodes. A loop walks over a list that
exists already, and before its first round pays for all of them: length × nodes in its body
(`operators.each`). All else whose cost grows with the data (filters, `~`, `+`, comparisons,
slices, printing a list) pays in proportion before it works. Work is therefore at most
2,500 + 500,000 units (`RenderContext.spend`), whatever the data; measured, the worst of 900
templates made to waste time took 0.15 s. Memory follows: text costs a unit for 16 characters and
none is longer than 256 Ki, so all text made in one render is below 8 Mi characters; numbers stay
within 10**30; a list is as long as what it was paid for. Compiling is bounded by the gate (0.12 s
for the worst 32 KB) and computes nothing, as constants are not folded.

Values are data: nothing that was given or rendered is ever compiled.
"""

from prompts.rendering.isolation import check_isolated, render_isolated
from prompts.rendering.names import UsedName
from prompts.rendering.problems import TemplateProblem
from prompts.rendering.report import TemplateReport, check_template
from prompts.rendering.templates import CompiledTemplate, compile_template
from prompts.rendering.values import JSONValue
from prompts.rendering.variables import (
    VariableSpec,
    VariableType,
    parse_variables,
    resolve_variables,
    sample_variables,
)

__all__ = [
    "CompiledTemplate",
    "JSONValue",
    "TemplateProblem",
    "TemplateReport",
    "UsedName",
    "VariableSpec",
    "VariableType",
    "check_isolated",
    "check_template",
    "compile_template",
    "parse_variables",
    "render_isolated",
    "resolve_variables",
    "sample_variables",
]
