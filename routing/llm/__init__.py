"""The one door to language models: any OpenAI-compatible endpoint, or the offline model."""
