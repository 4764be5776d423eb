"""Settings of the site, all from the environment (docs/operations.md lists them).

Every variable has a default that suits one machine; an invalid value stops the start with an error that names it.
"""

import importlib.util
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from lunasite import __version__
from lunasite.database.timeouts import postgres_timeouts
from lunasite.env import Env, bracketed
from lunasite.files_at_rest import kept_secret, make_private
from lunasite.installed import INSTALLED_APPS as INSTALLED_APPS
from lunasite.installed import MIDDLEWARE as MIDDLEWARE
from lunasite.logging import LEVELS, logging_config
from submissions.storage.address import parse_address, s3_storage

env = Env()
BASE_DIR = Path(__file__).resolve().parent.parent
DEMO = env.flag("LUNASITE_DEMO")
DATA_DIR = env.path("DATA_DIR", BASE_DIR / "var" / "demo" if DEMO else BASE_DIR / "var")
make_private(DATA_DIR)

# --- The site -------------------------------------------------------------------------------------

DEBUG = env.flag("DEBUG")
SECRET_KEY = env.secret("SECRET_KEY", least=40) or kept_secret(DATA_DIR / "secret_key", 64)
# Dataset import may not import `inference`, so this setting names the function that opens CT volumes.
CT_READER = "inference.ct.reading.metaimage.open_scan"
# Ed25519: a seed of 32 bytes, and the public keys of earlier seeds, whose records remain valid.
RECORD_SIGNING_KEY = env.key("RECORD_SIGNING_KEY") or kept_secret(DATA_DIR / "record_signing_key", 32)
RECORD_RETIRED_KEYS = env.keys("RECORD_RETIRED_KEYS")
SITE_URL = env.url("SITE_URL", "http://localhost:8000")
SOURCE_URL = env.url("SOURCE_URL")
SITE_HOST = urlsplit(SITE_URL).hostname or "localhost"
HTTPS = SITE_URL.startswith("https://")
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS") or [SITE_HOST, "localhost", "127.0.0.1", "[::1]"]
ALLOWED_HOSTS = [bracketed(host) for host in ALLOWED_HOSTS + env.names("INTERNAL_HOSTS")]
CSRF_TRUSTED_ORIGINS = env.names("CSRF_TRUSTED_ORIGINS") or [SITE_URL]
INSTANCE = env.label("LUNASITE_INSTANCE", "lunasite")
WORKER_NAME = env.text("WORKER_NAME", socket.gethostname())

if "*" in ALLOWED_HOSTS:
    raise ImproperlyConfigured("ALLOWED_HOSTS must name the hosts this site answers for; '*' is refused.")
if DEBUG and SITE_HOST not in ("localhost", "127.0.0.1", "::1"):
    raise ImproperlyConfigured("DEBUG must be 0 when SITE_URL is not on this machine.")

ROOT_URLCONF = "lunasite.urls"
WSGI_APPLICATION = "lunasite.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "lunasite.context_processors.site",
            ],
        },
    },
]

LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = ["lunasite.formats"]
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Data -----------------------------------------------------------------------------------------

SQLITE = f"sqlite:///{quote(str(DATA_DIR / 'lunasite.sqlite3'))}"  # an address: of #, ? and % each has a meaning there
DATABASES = {"default": env.database("DATABASE_URL", SQLITE, env.text("DATABASE_PASSWORD"))}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Tests use a file too: SQLite in memory shares one cache between threads and has no busy timeout.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
    # WAL lets readers continue beside the one writer; IMMEDIATE makes writers wait instead of failing midway.
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY;",
    }

# Of a web process in seconds (lunasite.wsgi sets it); 0, as for commands: a migration may take its time. Workers set
# their own (submissions.worker.group).
DATABASE_ANSWER_SECONDS = env.number("DATABASE_ANSWER_SECONDS", 0, most=3600)
if DATABASES["default"]["ENGINE"].endswith("postgresql"):
    DATABASES["default"]["ENGINE"] = "lunasite.database"
    DATABASES["default"].setdefault("OPTIONS", {}).update(postgres_timeouts(DATABASE_ANSWER_SECONDS))

REDIS_URL = env.redis("REDIS_URL")
REDIS_TIMEOUTS = {"socket_connect_timeout": 1, "socket_timeout": 1, "health_check_interval": 30}
CACHES = {
    "default": {"BACKEND": "lunasite.cache.FallbackRedisCache", "LOCATION": REDIS_URL, "OPTIONS": REDIS_TIMEOUTS}
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache_entries"}
}

MINIO_SECURE = env.flag("MINIO_SECURE")
MINIO = parse_address("MINIO_ENDPOINT", env.text("MINIO_ENDPOINT"), MINIO_SECURE)
MINIO_PUBLIC = parse_address("MINIO_PUBLIC_ENDPOINT", env.text("MINIO_PUBLIC_ENDPOINT"), MINIO_SECURE) or MINIO
MINIO_ACCESS_KEY = env.text("MINIO_ACCESS_KEY")
MINIO_SECRET_KEY = env.text("MINIO_SECRET_KEY")
MINIO_REGION = env.text("MINIO_REGION", "us-east-1")
MINIO_SUBMISSIONS_BUCKET = env.bucket("MINIO_SUBMISSIONS_BUCKET", "submissions")
MINIO_DATASETS_BUCKET = env.bucket("MINIO_DATASETS_BUCKET", "datasets")
if MINIO and not (MINIO_ACCESS_KEY and MINIO_SECRET_KEY):
    raise ImproperlyConfigured("MINIO_ACCESS_KEY and MINIO_SECRET_KEY must be set when MINIO_ENDPOINT is.")

# Where `manage.py backup s3://…` writes; without an endpoint, to the site's own object store.
BACKUP_S3_ENDPOINT = env.url("BACKUP_S3_ENDPOINT")
BACKUP_S3_ACCESS_KEY = env.text("BACKUP_S3_ACCESS_KEY")
BACKUP_S3_SECRET_KEY = env.text("BACKUP_S3_SECRET_KEY")
BACKUP_S3_REGION = env.text("BACKUP_S3_REGION", MINIO_REGION)


def file_store(bucket: str) -> dict[str, Any]:
    """Return the storage of one bucket: a private folder of DATA_DIR, or the bucket on the S3 server."""
    if MINIO is None:
        folder = {"location": DATA_DIR / "files" / bucket, "file_permissions_mode": 0o600}
        return {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": folder}
    return s3_storage(MINIO, bucket, MINIO_ACCESS_KEY, MINIO_SECRET_KEY, MINIO_REGION)


STORAGES = {
    "default": file_store(MINIO_SUBMISSIONS_BUCKET),
    "datasets": file_store(MINIO_DATASETS_BUCKET),
    # Static files are world-readable: in the image, root collects them and another user serves them.
    "staticfiles": {
        "BACKEND": "lunasite.staticfiles_storage.StaticFilesStorage",
        "OPTIONS": {"file_permissions_mode": 0o644, "directory_permissions_mode": 0o755},
    },
}
STATIC_URL = "/static/"
STATIC_ROOT = env.path("STATIC_ROOT", BASE_DIR / "staticfiles")
STATICFILES_DIRS = [BASE_DIR / "static"]

# Every message and form that names the limit reads this setting.
MAX_CSV_BYTES = env.megabytes("MAX_CSV_SIZE", "10m") * 2**20
# Registries from which images may be pulled by digest, spelled as in image names: registry.example.org,localhost:5000.
IMAGE_REGISTRIES = env.hosts("IMAGE_REGISTRIES")
WEBHOOK_PRIVATE_HOSTS = env.hosts("WEBHOOK_PRIVATE_HOSTS")
MAX_IMAGE_BYTES = env.megabytes("MAX_IMAGE_SIZE", "20g") * 2**20
# Files a team may hold, files all teams may hold together, and what must stay free on the disk of DATA_DIR.
TEAM_STORAGE_BYTES = env.megabytes("TEAM_STORAGE", "100g") * 2**20
SITE_STORAGE_BYTES = env.megabytes("SITE_STORAGE", "2000g") * 2**20
FREE_SPACE_BYTES = env.megabytes("FREE_SPACE", "512m") * 2**20
# How long files stay that no evaluation needs (cancelled, refused, superseded), and how many of a team at most.
IDLE_FILES_HOURS = env.number("IDLE_FILES_HOURS", 24)
IDLE_FILES_KEPT = env.whole("IDLE_FILES_KEPT", 2, most=1000)
IMAGES_KEPT = env.whole("IMAGES_KEPT", 10, least=1, most=100_000)
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 2**20
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200
DATA_UPLOAD_MAX_NUMBER_FILES = 20
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_HANDLERS = [
    "lunasite.http.limits.upload_handlers.MaxFormSizeUploadHandler",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]

# --- Accounts -------------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "submissions.accounts.permissions.OneQueryPermissions",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
EMAIL_HOST = env.text("EMAIL_HOST")
EMAIL_PORT = env.whole("EMAIL_PORT", 587 if EMAIL_HOST else 25, least=1, most=65535)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS", default=bool(EMAIL_HOST))
EMAIL_TIMEOUT = env.number("EMAIL_TIMEOUT_SECONDS", 5, least=0.1, most=60)
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", f"lunasite@{bracketed(SITE_HOST).replace('[', '[IPv6:')}")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
# Without a mail server, mails are written below DATA_DIR so that a reset link can still be found.
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if EMAIL_HOST else 'filebased'}.EmailBackend"
EMAIL_FILE_PATH = DATA_DIR / "mail"
ACCOUNT_ADAPTER = "submissions.accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_FORMS = {
    "login": "submissions.accounts.forms.SignInForm",
    "signup": "submissions.accounts.forms.SignUpForm",
    "add_email": "submissions.accounts.forms.NewAddressForm",
    "reset_password": "submissions.accounts.forms.ForgottenPasswordForm",
}
ACCOUNT_UNIQUE_EMAIL = True
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_VERIFICATION = "mandatory" if EMAIL_HOST else "optional"
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[lunasite] "
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_LOGIN_ON_PASSWORD_RESET = True
ACCOUNT_USERNAME_MIN_LENGTH = 2
# lunasite.http.lockout counts wrong passwords; "login_failed" only limits wrong second-factor codes.
ACCOUNT_RATE_LIMITS = {"login": "120/m/ip", "login_failed": "10/15m/key"}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "lunasite"
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not HTTPS

AXES_FAILURE_LIMIT = env.whole("LOGIN_FAILURE_LIMIT", 10, least=1)
AXES_COOLOFF_TIME = timedelta(minutes=env.number("LOGIN_COOLOFF_MINUTES", 15))
# Wrong passwords of an account over all addresses within a day, before each further one has to wait longer.
LOGIN_ACCOUNT_LIMIT = env.whole("LOGIN_ACCOUNT_LIMIT", 50, least=1)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_HTTP_RESPONSE_CODE = 429
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_CALLABLE = "lunasite.http.errors.lockout_response"
AXES_VERBOSE = False
AXES_HANDLER = "lunasite.http.lockout.AtomicAttemptHandler"
AXES_USERNAME_CALLABLE = "lunasite.http.lockout.account_key"
AXES_CLIENT_IP_CALLABLE = "lunasite.http.client_address.client_network"
AXES_USERNAME_FORM_FIELD = "login"

KNOX_TOKEN_MODEL = "submissions.ApiToken"  # noqa: S105 — a model, not a password
MAX_TOKENS = env.whole("MAX_TOKENS", 50, least=1, most=1000)
REST_KNOX = {
    "TOKEN_TTL": timedelta(days=env.whole("TOKEN_DAYS", 90, least=1, most=3650)),
    "AUTO_REFRESH": False,
    "TOKEN_LIMIT_PER_USER": None,
    "TOKEN_MODEL": KNOX_TOKEN_MODEL,
}

# --- API ------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "lunasite.http.authentication.ApiTokenAuthentication",
        "lunasite.http.authentication.ApiSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": [
        "lunasite.http.renderers.ExactJSONRenderer",
        "lunasite.http.renderers.BrowsablePage",
    ],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "lunasite.http.negotiation.BrowsableNegotiation",
    "DEFAULT_PARSER_CLASSES": [
        "lunasite.http.parsers.PartsParser",
        "lunasite.http.parsers.PlainFormParser",
        "lunasite.http.parsers.BoundedJSONParser",
    ],
    "DEFAULT_PAGINATION_CLASS": "lunasite.http.pagination.Pages",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "lunasite.http.errors.exception_handler",
    "URL_FORMAT_OVERRIDE": None,
    "DEFAULT_THROTTLE_RATES": {
        "token": env.rate("THROTTLE_TOKEN", "20/min"),
        "submit": env.rate("THROTTLE_SUBMIT", "120/min"),
        "lesion": env.rate("THROTTLE_LESION", "600/min"),
        "slice": env.rate("THROTTLE_SLICE", "600/min"),
        "dear": env.rate("THROTTLE_DEAR", "30/min"),
        "pages": env.rate("THROTTLE_PAGES", "600/min"),
        "feedback": env.rate("THROTTLE_FEEDBACK", "60/min"),
    },
    "NUM_PROXIES": env.whole("PROXY_COUNT", 0, most=5),
    "COERCE_DECIMAL_TO_STRING": False,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "lunasite",
    "DESCRIPTION": "Submissions, leaderboards and inference for chest-CT AI.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": False},  # it puts a link into a button, which screen readers cannot tell
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {"SliceClassEnum": "inference.slice_classes.SLICE_CLASSES"},
}

# --- Evaluation -----------------------------------------------------------------------------------

EVALUATION_LEASE_SECONDS = env.number("EVALUATION_LEASE_SECONDS", 60, least=1, most=3600)
EVALUATION_MAX_ATTEMPTS = env.whole("EVALUATION_MAX_ATTEMPTS", 3, least=1, most=1000)
EVALUATION_WORKERS = env.whole("EVALUATION_WORKERS", 2, least=1, most=64)
CONTAINER_WORKERS = env.whole("CONTAINER_WORKERS", 1, least=1, most=64)
ERRAND_WORKERS = env.whole("ERRAND_WORKERS", 2, least=2, most=64)  # an import holds one for hours
EVALUATION_ENGINE = env.text("EVALUATION_ENGINE", "docker")
DOCKER_HOST = env.text("DOCKER_HOST")
SLURM: dict[str, Any] = {
    "store": env.path("SLURM_STORE", DATA_DIR / "slurm"), "partitions": tuple(env.names("SLURM_PARTITIONS")),
    "job_user": env.text("SLURM_JOB_USER"), "python": env.text("SLURM_PYTHON", "/usr/bin/python3"),
    "jobs_at_once": env.whole("SLURM_JOBS", 20, least=1, most=1000),
}  # fmt: skip
DOCKER_STARTUP_WAIT_SECONDS = env.number("DOCKER_STARTUP_WAIT_SECONDS", 60, least=1, most=3600)
EVALUATION_RUNTIME = env.text("EVALUATION_RUNTIME", "runc")
EVALUATION_MEMORY_MIB = env.megabytes("EVALUATION_MEMORY", "4g")
EVALUATION_ROOT_MIB = env.megabytes("EVALUATION_WRITABLE", "2g")
# Failed trials on public samples cost no try; so many a team a day are enough for an honest one.
EVALUATION_TRIALS_PER_DAY = env.whole("EVALUATION_TRIALS_PER_DAY", 50, least=1, most=100_000)
EVALUATION_CPUS = env.number("EVALUATION_CPUS", 2, least=0.1, most=256)
EVALUATION_TIMEOUT_SECONDS = env.number("EVALUATION_TIMEOUT_SECONDS", 3600, least=1, most=7 * 86400)
EVALUATION_CASES_DIR = env.path("EVALUATION_CASES_DIR", DATA_DIR / "cases")
CODE_VERSION = env.text("CODE_VERSION", __version__)
WORKER_ALIVE_PATH = env.text("WORKER_ALIVE_PATH")

# django-q2 redelivers every task that runs longer than `retry`: harmless, as the row decides (R9), and kept rare.
TASK_TIMEOUT_SECONDS = int(EVALUATION_TIMEOUT_SECONDS) + 1800
QUEUE = {
    "orm": "default",
    "broker_class": "submissions.outages.broker.DatabaseClockBroker",
    "poll": 0.2, "queue_limit": 1, "bulk": 1, "guard_cycle": 0.2,
    "timeout": TASK_TIMEOUT_SECONDS, "retry": TASK_TIMEOUT_SECONDS * 3 + 60,
    "ack_failures": True, "max_attempts": 1, "save_limit": 250, "catch_up": False,
    "label": "Queue",
}  # fmt: skip
OTHER_QUEUES = {"containers": CONTAINER_WORKERS, "errands": ERRAND_WORKERS}
ALT_CLUSTERS = {name: {**QUEUE, "workers": workers} for name, workers in OTHER_QUEUES.items()}
Q_CLUSTER = {**QUEUE, "name": "evaluations", "workers": EVALUATION_WORKERS, "ALT_CLUSTERS": ALT_CLUSTERS}

# --- Inference ------------------------------------------------------------------------------------

LOAD_MODEL = env.flag("LOAD_MODEL", default=True)
CONFIG_PATH = env.path("CONFIG_PATH", BASE_DIR / "inference" / "weights" / "slice.json")
MODEL_PATH = env.path("MODEL_PATH", BASE_DIR / "inference" / "weights" / "slice.safetensors")
LESION_CONFIG_PATH = env.path("LESION_CONFIG_PATH", BASE_DIR / "inference" / "weights" / "lesion.json")
LESION_MODEL_PATH = env.path("LESION_MODEL_PATH", BASE_DIR / "inference" / "weights" / "lesion.safetensors")
MODEL_SERVER_URL = env.url("MODEL_SERVER_URL")
MODEL_SERVER_TOKEN = env.secret("MODEL_SERVER_TOKEN", least=16)
PREDICT_TIMEOUT_SECONDS = env.number("PREDICT_TIMEOUT_SECONDS", 30, least=0.1, most=600)
PREDICT_NEEDS_TOKEN = env.flag("PREDICT_NEEDS_TOKEN")
MAX_VOLUME_BYTES = env.megabytes("MAX_VOLUME_SIZE", "600m") * 2**20
MAX_PICTURE_BYTES = 20 * 2**20
FEEDBACK_DIR = env.path("FEEDBACK_DIR", DATA_DIR / "feedback")
FEEDBACK_MAX_PICTURES = env.whole("FEEDBACK_MAX_PICTURES", 50_000, least=1)
FEEDBACK_MAX_BYTES = env.megabytes("FEEDBACK_MAX_SIZE", "20g") * 2**20
DRIFT_CURRENT_PATH = env.path("DRIFT_CURRENT_PATH", DATA_DIR / "drift" / "current.csv")
DRIFT_REFERENCE_PATH = env.path("DRIFT_REFERENCE_PATH", BASE_DIR / "inference" / "weights" / "drift_reference.csv")
METRICS_TOKEN = env.secret("METRICS_TOKEN", least=16)

# --- Pruning: what `manage.py prune` leaves, in days ------------------------------------------------

KEEP_PREDICTIONS_DAYS = env.whole("KEEP_PREDICTIONS_DAYS", 365, least=1, most=36_500)
KEEP_DRIFT_DAYS = env.whole("KEEP_DRIFT_DAYS", 365, least=1, most=36_500)
KEEP_LOGIN_ATTEMPTS_DAYS = env.whole("KEEP_LOGIN_ATTEMPTS_DAYS", 90, least=1, most=36_500)
KEEP_MAILS_DAYS = env.whole("KEEP_MAILS_DAYS", 30, least=1, most=36_500)

# --- Transport and headers ------------------------------------------------------------------------

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "lunasite.http.kept_post.csrf_failure"
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REDIRECT_EXEMPT = [r"^health$", r"^live$", r"^ready$", r"^metrics$"]
X_FRAME_OPTIONS = "DENY"
BEHIND_PROXY = env.flag("BEHIND_PROXY")
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF] + ([MINIO_PUBLIC.url] if MINIO_PUBLIC else []),
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "manifest-src": [SELF],
    }
}
SILENCED_SYSTEM_CHECKS = ["axes.W003"]

# --- Watching -------------------------------------------------------------------------------------

LOGGING = logging_config(env.choice("LOG_FORMAT", "line", ("line", "json")), env.choice("LOG_LEVEL", "INFO", LEVELS))
PROMETHEUS_EXPORT_MIGRATIONS = False
OTEL_ENDPOINT = env.url("OTEL_EXPORTER_OTLP_ENDPOINT")
OTEL_SERVICE = env.text("OTEL_SERVICE_NAME", "lunasite")
if OTEL_ENDPOINT and importlib.util.find_spec("opentelemetry.exporter") is None:
    raise ImproperlyConfigured(
        "OTEL_EXPORTER_OTLP_ENDPOINT needs packages that are not here: pip install -r requirements-tracing.txt"
    )
SENTRY_DSN = env.url("SENTRY_DSN")
if SENTRY_DSN:
    import sentry_sdk

    sentry_sdk.init(dsn=SENTRY_DSN, send_default_pii=False, max_request_body_size="never")
