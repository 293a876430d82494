"""The extractor that asks a language model, by any service that speaks OpenAI's chat completions; extra `[llm]`."""

from insights_recovery.extractors.llm.extractor import LLMExtractor

__all__ = ["LLMExtractor"]
