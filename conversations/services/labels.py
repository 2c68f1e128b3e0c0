"""Who may have a task told other versions of prompts than the published ones."""

from prompts.errors import UnknownLabel
from prompts.selectors import PRODUCTION, has_label
from tenants.errors import ScopeMissing
from tenants.principals import Principal, Scope


def check_label(principal: Principal, label: str) -> None:
    """Raises UnknownLabel when no prompt has the label, and ScopeMissing for whoever may not read
    prompts: a key for customers must not have them told drafts. `production` is for everybody.
    """
    if not label or label == PRODUCTION:
        return
    if not principal.may(Scope.PROMPTS_READ):
        raise ScopeMissing(f"A prompt label needs the scope {Scope.PROMPTS_READ}.")
    if not has_label(label):
        fault = {"pointer": "/prompt_label", "code": UnknownLabel.code, "detail": label}
        raise UnknownLabel(errors=[fault])
