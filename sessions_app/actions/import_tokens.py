"""What a batch has spent, by run and model: what is new to the database, and nothing twice."""

from collections.abc import Mapping, Sequence

from sessions_app.actions.import_rows import PreparedRow, PreparedSession, model_text, spent_on
from sessions_app.drafts import Tokens
from sessions_app.models import AgentSession, Run

# By the run's key and the model's name.
type Spent = dict[tuple[str, str], Tokens]


def spent_in(prepared: PreparedSession, new_rows: Sequence[PreparedRow], runs: Mapping[str, Run]) -> Spent:
    """`new_rows` are those of its rows that no earlier batch brought; its growths are those that were applied."""
    draft = prepared.draft
    spent: Spent = {}
    if draft.tokens_from_messages:
        for row in new_rows:
            if row.spent is not None and row.run is not None:
                _spend(spent, row.run, row.model, row.spent)
        for growth in draft.growths:
            _spend(spent, growth.run, growth.model, spent_on(growth))
        return spent
    # A copy of a file that was read before brings rows and none is new: it has cost nothing again.
    repeated = {row.run for row in prepared.rows} - {row.run for row in new_rows}
    for key, run in draft.runs.items():
        if key in runs and key not in repeated:
            for model, tokens in run.spent.items():
                _spend(spent, key, model_text(model), tokens)
    return spent


def add_tokens(row: Run | AgentSession, tokens: Tokens) -> None:
    row.input_tokens += tokens.input
    row.output_tokens += tokens.output
    row.cache_read_tokens += tokens.cache_read
    row.cache_write_tokens += tokens.cache_write
    row.total_tokens += tokens.total


def _spend(spent: Spent, run: str, model: str, tokens: Tokens) -> None:
    spent.setdefault((run, model), Tokens()).add(tokens)
