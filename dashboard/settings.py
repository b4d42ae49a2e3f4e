"""All settings in one place. Environment wins over the TOML file, the file over the default.

`scrollback doctor` prints what is in force and where it came from.
"""

from pathlib import Path
from typing import Any

from django.utils.csp import CSP

from dashboard.lib.config import Config, load_config
from dashboard.lib.db import POSTGRES_OPTIONS, SQLITE_OPTIONS, refuse_ended, sqlite_pragmas
from dashboard.masking_settings import load_masking
from dashboard.price_settings import load_prices
from sessions_app.pricing.price_list import PriceList
from sessions_app.terminal.masking.policy import Policy

BASE_DIR = Path(__file__).resolve().parent.parent
PACKAGED_DIR = Path(__file__).resolve().parent / "_packaged"
# Templates and static files: in a wheel they lie inside the package, in a checkout at the top.
SHIPPED_DIR = PACKAGED_DIR if PACKAGED_DIR.is_dir() else BASE_DIR

CONFIG: Config = load_config()
HOME: Path = CONFIG.home
SEAL_AFTER_MS = CONFIG.seal_after_hours * 3_600_000
# What is masked in terminals before anything is stored.
MASKING: Policy = load_masking(CONFIG)
# What tokens cost.
PRICES: PriceList = load_prices(CONFIG)

SECRET_KEY = CONFIG.secret_key
DEBUG = CONFIG.debug
ALLOWED_HOSTS = CONFIG.allowed_hosts
CSRF_TRUSTED_ORIGINS = CONFIG.trusted_origins

# Without daphne, whose app is there for `runserver` and loads the whole server for every command.
INSTALLED_APPS = [
    "dashboard",
    "audit",
    "sessions_app",
    "django_htmx",
    "channels",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "dashboard.middleware.AnswerCountMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "dashboard.middleware.StaticFilesMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "sessions_app.sign_in.SignInRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "dashboard.middleware.RefusalMiddleware",
]

ROOT_URLCONF = "dashboard.urls"
ASGI_APPLICATION = "dashboard.asgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [SHIPPED_DIR / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.csp",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "dashboard.context.console",
            ],
            "builtins": ["dashboard.templatetags.ui", "django.templatetags.static"],
            "loaders": [
                ("django.template.loaders.cached.Loader", ["django.template.loaders.filesystem.Loader"])
                if not DEBUG
                else "django.template.loaders.filesystem.Loader"
            ],
        },
    }
]

DATABASES: dict[str, dict[str, Any]] = {"default": CONFIG.database}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        **SQLITE_OPTIONS,
        **DATABASES["default"].get("OPTIONS", {}),
        "init_command": sqlite_pragmas(CONFIG.sqlite_synchronous),
    }
    # A file, as in real life: threads and other processes must see it.
    DATABASES["default"]["TEST"] = {"NAME": str(HOME / "test-database.sqlite3")}
elif not CONFIG.database_error:
    DATABASES["default"].setdefault("OPTIONS", {})
    DATABASES["default"]["OPTIONS"].setdefault("connect_timeout", 5)
    DATABASES["default"]["OPTIONS"].setdefault("options", POSTGRES_OPTIONS)
    DATABASES["default"]["OPTIONS"]["pool"] = {
        "min_size": 1,
        "max_size": 20,
        "timeout": 3,
        # After that the next request tries anew: the pool's own pauses grow to as long as Postgres was away.
        "reconnect_timeout": 3,
        "check": refuse_ended,
    }
    DATABASES["default"]["CONN_MAX_AGE"] = 0

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "sessions_app.Person"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ["username", "display_name"]},
    },
]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "now"

SESSION_COOKIE_NAME = "scrollback_session"
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_SAMESITE = "Strict"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CONFIG.https_only
# The CSRF token lives in the session: a cookie of its own would reach every other port of this host.
CSRF_USE_SESSIONS = True
CSRF_FAILURE_VIEW = "dashboard.views.csrf_failure"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CSP = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF, CSP.NONCE],
    "style-src-elem": [CSP.SELF, CSP.NONCE],
    # xterm.js positions its rows with style attributes.
    "style-src-attr": [CSP.UNSAFE_INLINE],
    "img-src": [CSP.SELF, "data:"],
    "font-src": [CSP.SELF],
    "connect-src": [CSP.SELF],
    "form-action": [CSP.SELF],
    "base-uri": [CSP.NONE],
    "frame-ancestors": [CSP.NONE],
    "manifest-src": [CSP.SELF],
}

STATIC_URL = "static/"
STATIC_ROOT = HOME / "cache" / "static"
STATICFILES_DIRS = [SHIPPED_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": CONFIG.static_storage},
}

CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
USE_I18N = False

# A 1 MB batch of terminal output, and headroom for JSON escapes.
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": CONFIG.log_level},
    "loggers": {
        "daphne": {"level": "WARNING"},
        "django.channels": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},
        # Anybody can send one; the answer 400 says it all.
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        "watchfiles": {"level": "WARNING"},
        "markdown_it": {"level": "WARNING"},
        # Each failed try is told once, by whoever asked for the connection.
        "psycopg.pool": {"level": "CRITICAL"},
    },
}
