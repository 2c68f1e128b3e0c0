"""The bounds of a template, by name. `prompts.rendering` says why they suffice."""

SOURCE_BYTES = 32 * 1024
OUTPUT_BYTES = 256 * 1024

# Shape of the source, checked on the syntax tree.
TOKENS = 8_000
NODES = 2_500
EXPRESSION_DEPTH = 40
BLOCK_DEPTH = 12
LOOP_DEPTH = 2
ELIF_BRANCHES = 30
LOOP_TARGETS = 4
NAME_LENGTH = 64
PROBLEMS = 20

# Data given to a render.
DATA_CHARACTERS = 1024 * 1024
DATA_VALUES = 20_000
DATA_DEPTH = 16
# Looking a key up compares it, and that is not paid for: so keys are short.
KEY_CHARACTERS = 256

# What runs inside a render.
RANGE_ITEMS = 1_000
TEXT_CHARACTERS = 256 * 1024
NUMBER = 10**30
TRIM_CHARACTERS = 32
PATH_CHARACTERS = 200
WORK_UNITS = 500_000

# The killable process.
RENDER_SECONDS = 1.0
ADDRESS_SPACE_BYTES = 256 * 1024 * 1024
