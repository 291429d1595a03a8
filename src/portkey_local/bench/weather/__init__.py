"""The providers of a simulated run: as models, as they were recorded, or as a script."""

from portkey_local.bench.weather.models import ProviderModel, WeatherFile
from portkey_local.bench.weather.presets import DEFAULT, PRESETS
from portkey_local.bench.weather.reading import Weather, WeatherSource, weather_of

__all__ = [
    "DEFAULT",
    "PRESETS",
    "ProviderModel",
    "Weather",
    "WeatherFile",
    "WeatherSource",
    "weather_of",
]
