"""The values as they are written in the environment and in ``watchword.toml``, before they mean anything."""

import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import SecretStr, StrictInt, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from watchword.server.settings.nearness import nearest
from watchword.server.settings.refusal import SettingsError, plainly

PREFIX: Final = "WATCHWORD_"
CONFIG_FILE: Final = "watchword.toml"
_FROM_FILES: Final = ("secret", "database_url", "smtp_url")


class Written(BaseSettings):
    """The values as written, before they mean anything."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", hide_input_in_errors=True)

    issuer: str | None = None
    host: str | None = None
    port: int | None = None
    workers: int | None = None
    database_url: SecretStr | None = None
    database_url_file: str | None = None
    secret: SecretStr | None = None
    secret_file: str | None = None
    data_dir: str | None = None
    trusted_proxies: Annotated[str | list[str] | None, NoDecode] = None
    access_token_ttl: str | StrictInt | None = None
    refresh_idle_ttl: str | StrictInt | None = None
    refresh_absolute_ttl: str | StrictInt | None = None
    refresh_overlap: str | StrictInt | None = None
    session_idle_ttl: str | StrictInt | None = None
    session_absolute_ttl: str | StrictInt | None = None
    sign_up: Literal["open", "closed"] = "closed"
    brand_name: str | None = None
    brand_logo: str | None = None
    brand_colour: str | None = None
    templates: str | None = None
    smtp_url: SecretStr | None = None
    smtp_url_file: str | None = None
    mail_from: str | None = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the library calls by name
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """First the environment, then the file, whose values come as arguments."""
        return _FilesOpened(settings_cls, env_settings), _FilesOpened(settings_cls, init_settings)


class _FilesOpened(PydanticBaseSettingsSource):
    """A source whose ``*_FILE`` values are replaced by what stands in the files, before another source is asked."""

    def __init__(self, settings_cls: type[BaseSettings], inner: PydanticBaseSettingsSource) -> None:
        super().__init__(settings_cls)
        self._inner = inner

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """One value as the inner source has it."""
        return self._inner.get_field_value(field, field_name)

    def __call__(self) -> dict[str, Any]:
        """All values."""
        found = self._inner()
        for name, value in found.items():
            if isinstance(value, str) and not value.strip():
                raise SettingsError(f"{PREFIX}{name.upper()} is empty: give it a value or take it away")
        for name in _FROM_FILES:
            path = found.pop(f"{name}_file", None)
            if path is not None and name in found:
                raise SettingsError(f"{PREFIX}{name.upper()} and {PREFIX}{name.upper()}_FILE exclude each other")
            if path is not None:
                found[name] = _content_of(Path(str(path)), what=f"{PREFIX}{name.upper()}_FILE")
        return found


def read_written() -> Written:
    """The values of the environment and the file.

    Raises:
        SettingsError: a name is unknown, a value of the wrong kind, or a file cannot be read.
    """
    named = os.environ.get(f"{PREFIX}CONFIG")
    _refuse_unknown(
        (name for name in os.environ if name.startswith(PREFIX)),
        known=[f"{PREFIX}{name.upper()}" for name in (*Written.model_fields, "config")],
        where="the environment",
    )
    try:
        in_file = tomllib.loads(Path(named or CONFIG_FILE).read_text("utf-8"))
    except FileNotFoundError:
        if named is not None:
            raise SettingsError(f"WATCHWORD_CONFIG names {named}, and there is no such file") from None
        in_file = {}
    except (OSError, ValueError) as error:
        raise SettingsError(f"{named or CONFIG_FILE} cannot be read: {plainly(error)}") from None
    _refuse_unknown(in_file, known=list(Written.model_fields), where=named or CONFIG_FILE)
    try:
        return Written(**in_file)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        name = str(first["loc"][0])
        raise SettingsError(f"{PREFIX}{name.upper()} ({name} in {CONFIG_FILE}): {first['msg'].lower()}") from None


def _refuse_unknown(names: Iterable[str], *, known: list[str], where: str) -> None:
    for name in names:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near}?" if near else f"known are {', '.join(known)}"
            raise SettingsError(f"{name} in {where} is no setting of Watchword: {hint}")


def _content_of(path: Path, *, what: str) -> str:
    try:
        text = path.read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        raise SettingsError(f"{what} names {path}, which cannot be read: {plainly(error)}") from None
    if not text:
        raise SettingsError(f"{what} names {path}, which is empty: write the value into it")
    return text
