import pytest

from sessions_app.pricing.names import model_key


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("claude-opus-4-6", "claude-opus-4-6"),
        ("claude-opus-4-6[1m]", "claude-opus-4-6"),
        ("anthropic/claude-sonnet-4.5", "claude-sonnet-4-5"),
        ("openrouter/anthropic/claude-3.7-sonnet", "claude-3-7-sonnet"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", "claude-3-5-sonnet"),
        ("arn:aws:bedrock:us-east-1:1:inference-profile/eu.anthropic.claude-opus-4-1-20250805-v1:0", "claude-opus-4-1"),
        ("claude-haiku-4-5@20251001", "claude-haiku-4-5"),
        ("claude-3-5-haiku-latest", "claude-3-5-haiku"),
        ("gpt-5.3-codex", "gpt-5-3-codex"),
        ("gpt-5-codex", "gpt-5-codex"),
        ("gpt-5-2025-08-07", "gpt-5"),
        ("openai/gpt-4.1", "gpt-4-1"),
        ("models/gemini-2.5-pro", "gemini-2-5-pro"),
        ("gemini-2.5-flash-preview-09-2025", "gemini-2-5-flash-preview-09-2025"),
        ("o3", "o3"),
        ("  GPT-5 ", "gpt-5"),
        ("<synthetic>", "<synthetic>"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_model_has_one_name_whoever_writes_it(written: str, key: str) -> None:
    assert model_key(written) == key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("gpt-5", "gpt-5-mini"),
        ("gpt-5", "gpt-5.1"),
        ("gpt-5.1-codex", "gpt-5.1-codex-max"),
        ("claude-opus-4", "claude-opus-4-1"),
        ("gemini-2.5-flash", "gemini-2.5-flash-lite"),
        ("deepseek-v3", "deepseek"),
    ],
)
def test_models_that_differ_keep_their_names(one: str, other: str) -> None:
    assert model_key(one) != model_key(other)
