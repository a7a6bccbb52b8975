"""Settings: the only reader of the environment.

Every value comes from a variable ``WATCHWORD_...``, or from the same name in small letters in ``watchword.toml`` in the
working directory (``WATCHWORD_CONFIG`` names another file). A variable wins over the file, and a flag over both.
``WATCHWORD_SECRET_FILE``, ``WATCHWORD_DATABASE_URL_FILE`` and ``WATCHWORD_SMTP_URL_FILE`` read the value from a file.
"""

from watchword.server.settings.durations import parse_access_token_ttl, parse_duration, write_duration
from watchword.server.settings.looks import Brand, Logo
from watchword.server.settings.mail import Mail
from watchword.server.settings.nearness import nearest
from watchword.server.settings.reading import Network, Settings, parse_trusted_proxies, read
from watchword.server.settings.refusal import SettingsError

__all__ = (
    "Brand",
    "Logo",
    "Mail",
    "Network",
    "Settings",
    "SettingsError",
    "nearest",
    "parse_access_token_ttl",
    "parse_duration",
    "parse_trusted_proxies",
    "read",
    "write_duration",
)
