"""The extractor itself: ask, read the reply, keep what the text bears out."""

from __future__ import annotations

import importlib.util
from typing import Any, ClassVar

from insights_recovery.exceptions import ExtractorError, PermanentError
from insights_recovery.extractors.base import ExtractionResult, Extractor
from insights_recovery.extractors.llm import answers, findings, messages, replies
from insights_recovery.extractors.llm.client import Client
from insights_recovery.extractors.llm.options import Options
from insights_recovery.extractors.llm.replies import Completion

RULES = "1"
"""Version of how an answer is read: raise it when a change makes other insights of the same answer."""
_MAX_VERSION = 64
_MILLION = 1_000_000


class LLMExtractor(Extractor):
    """Asks a language model. The text leaves this machine for wherever `base_url` leads.

    Its options are those of `insights_recovery.extractors.llm.options.Options`.
    """

    name: ClassVar[str] = "llm"

    def __init__(self, **options: Any) -> None:
        """Take the options; nothing is loaded and nobody is called before the first text.

        Raises:
            TypeError: an option is unusable.
            ImportError: the extra `llm` is not installed.
        """
        self._options = Options.of(options)
        if importlib.util.find_spec("httpx") is None:
            raise ImportError("it needs httpx: pip install 'django-insights-recovery[llm]'")
        self._client = Client(self._options)
        self._version = f"{RULES}-{messages.fingerprint(self._options)}-{self._options.model}"[:_MAX_VERSION]

    @property
    def version(self) -> str:  # type: ignore[override] # a class's own for other extractors, here made by the options
        """Version of what it finds: it changes with the model, the prompt, the schema and how they are asked."""
        return self._version

    def extract(self, text: str) -> ExtractionResult:
        """Return the insights of `text`; each failure says in its code, and in nothing else, what went wrong."""
        if len(text) > self._options.max_characters:
            raise PermanentError(code="context-too-long")
        # No JSON can carry half a surrogate pair. One character stands for one, so that offsets stay true.
        asked = messages.request(text.encode("utf-8", "replace").decode(), self._options)
        completion = replies.read(self._client.post(asked), asked)
        if isinstance(completion, ExtractorError):
            raise completion
        answer = answers.parse(completion.content)
        if isinstance(answer, ExtractorError):
            raise answer
        sifted = findings.sift(answer, text)
        return ExtractionResult(
            insights=sifted.insights,
            sentiment=answer.sentiment,
            summary=answer.summary.strip(),
            title=answer.title.strip(),
            language=findings.language(answer),
            usage={**self._usage(completion), "dropped": sifted.dropped},
        )

    def _usage(self, completion: Completion) -> dict[str, int | float | str]:
        usage: dict[str, int | float | str] = {"model": self._options.model, **completion.tokens}
        prices, tokens = self._options.prices, completion.tokens
        if prices and len(tokens) == 2:
            cost = tokens["prompt_tokens"] * prices["input"] + tokens["completion_tokens"] * prices["output"]
            usage["cost"] = round(cost / _MILLION, 10)
        return usage
