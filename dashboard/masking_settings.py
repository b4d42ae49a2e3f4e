"""The settings of masking, which the recorder reads as well: sessions_app/terminal/masking/policy.py."""

import os

from dashboard.lib.config import Config, ConfigError, Setting
from sessions_app.terminal.masking.policy import Policy, PolicyError, read_policy


def load_masking(config: Config) -> Policy:
    """What is masked. Raises ConfigError."""
    try:
        policy = read_policy(config.file, config.file_name, os.environ)
    except PolicyError as error:
        raise ConfigError(str(error)) from error
    config.settings += [Setting(*setting) for setting in policy.settings]
    return policy
