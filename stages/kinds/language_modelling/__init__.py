"""Language modelling: the next token from all before it, and the texts that follow from that."""

from stages.text.data import IngestedTexts as Ingested
from stages.text.data import TextExamples as Examples

__all__ = ["Examples", "Ingested"]
