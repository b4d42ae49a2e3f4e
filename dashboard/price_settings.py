"""The prices of models that are in force: sessions_app/pricing/price_list.py."""

from dashboard.lib.config import Config, ConfigError, Setting
from sessions_app.pricing.price_list import PriceError, PriceList, read_prices


def load_prices(config: Config) -> PriceList:
    """Raises ConfigError."""
    try:
        prices = read_prices(config.file, config.file_name)
    except PriceError as error:
        raise ConfigError(str(error)) from error
    config.settings += [Setting(*setting) for setting in prices.settings]
    return prices
