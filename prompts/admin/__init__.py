"""The admin of prompts: the prompts themselves, and the pages on which versions are written."""

from prompts.admin.case_pages import PromptTestCaseAdmin
from prompts.admin.prompts import PromptAdmin

__all__ = ["PromptAdmin", "PromptTestCaseAdmin"]
