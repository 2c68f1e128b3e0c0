"""The offline model: answers from the prompt alone, in the wire format of OpenAI, without network.

It is no language model. It reads the catalogue and the facts in the system prompt, finds what a
message is about by word stems and letter groups, and says in every answer that it is offline. The
same input always gives the same answer.
"""

from routing.llm.offline.app import OfflineModel

__all__ = ["OfflineModel"]
