"""A site as its owner would write it with Django REST framework and Django OAuth Toolkit: all that judges is theirs.

It is run as a process of its own: `django_server.py PORT FOLDER KEY`. The database is `site.db` in that folder. The key
is Ann's token for `/contacts/`, the secret of the clients `robot` and `desk`, and the first refresh token of `desk`.
"""

import sys
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import django
from django.conf import settings

PORT, FOLDER, KEY = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
APPS = ["django.contrib.contenttypes", "django.contrib.auth", "rest_framework", "rest_framework.authtoken"]

settings.configure(
    SECRET_KEY=KEY,
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    PASSWORD_HASHERS=[
        "django.contrib.auth.hashers.MD5PasswordHasher"
    ],  # the right ones take a second of processor time
    INSTALLED_APPS=[*APPS, "oauth2_provider"],
    MIGRATION_MODULES={name.rpartition(".")[2]: None for name in [*APPS, "oauth2_provider"]},  # tables are made at once
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": FOLDER / "site.db",
            "OPTIONS": {"timeout": 30, "transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode = WAL"},
        }
    },
    OAUTH2_PROVIDER={"ACCESS_TOKEN_EXPIRE_SECONDS": 3, "REFRESH_TOKEN_REUSE_PROTECTION": True},
)
django.setup()

from django.contrib.auth.models import User  # noqa: E402 - Django's parts can be imported once it is set up
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection, models  # noqa: E402
from django.urls import include, path  # noqa: E402
from django.utils import timezone  # noqa: E402
from oauth2_provider.contrib.rest_framework import OAuth2Authentication, TokenHasScope  # noqa: E402
from oauth2_provider.models import AccessToken, Application, RefreshToken  # noqa: E402
from rest_framework import pagination, permissions, routers, serializers, viewsets  # noqa: E402
from rest_framework.authentication import TokenAuthentication  # noqa: E402
from rest_framework.authtoken.models import Token  # noqa: E402
from rest_framework.throttling import UserRateThrottle  # noqa: E402
from waitress import serve  # noqa: E402


class Contact(models.Model):
    key = models.CharField(max_length=20, primary_key=True)
    name = models.CharField(max_length=20, unique=True)
    title = models.CharField(max_length=9, default="Dr")
    email = models.EmailField(blank=True)
    seats = models.PositiveIntegerField(default=1)
    plan = models.CharField(max_length=9, choices=[("free", "Free"), ("paid", "Paid")], default="paid")

    class Meta:
        app_label = "site"

    def __str__(self) -> str:
        return self.name


class ContactSerializer(serializers.ModelSerializer):
    class Meta:
        model = Contact
        fields = ("key", "name", "title", "email", "seats", "plan")
        read_only_fields = ("key",)

    def validate(self, attrs: dict) -> dict:
        if attrs.get("plan") == "free" and attrs.get("seats", 1) > 1:
            raise serializers.ValidationError("The free plan has one seat.")
        return attrs


class Pages(pagination.PageNumberPagination):
    page_size = 50


class Contacts(viewsets.ModelViewSet):
    queryset = Contact.objects.order_by("key")
    serializer_class = ContactSerializer
    pagination_class = Pages
    authentication_classes: ClassVar = [TokenAuthentication]
    permission_classes: ClassVar = [permissions.IsAuthenticated]


class SixteenASecond(UserRateThrottle):
    rate = "16/s"


class Throttled(Contacts):
    throttle_classes: ClassVar = [SixteenASecond]


class Guarded(Contacts):
    authentication_classes: ClassVar = [OAuth2Authentication]
    permission_classes: ClassVar = [TokenHasScope]
    required_scopes: ClassVar = ["write"]


router = routers.DefaultRouter()
router.register("contacts", Contacts)
router.register("throttled/contacts", Throttled, "throttled")
router.register("guarded/contacts", Guarded, "guarded")
urlpatterns = [*router.urls, path("o/", include("oauth2_provider.urls"))]


def fill() -> None:
    call_command("migrate", run_syncdb=True, verbosity=0)
    with connection.schema_editor() as editor:
        editor.create_model(Contact)
    Contact.objects.bulk_create(Contact(key=f"c{n}", name=f"Old {n}") for n in range(300))
    ann = User.objects.create_user("ann")
    Token.objects.create(user=ann, key=KEY)
    Application.objects.create(
        client_id="robot", client_secret=KEY, client_type="confidential", authorization_grant_type="client-credentials"
    )
    desk = Application.objects.create(
        client_id="desk", client_secret=KEY, client_type="confidential", authorization_grant_type="authorization-code"
    )
    # As it is once Ann has agreed in her browser.
    ended = AccessToken.objects.create(
        user=ann, application=desk, token=f"first-{KEY}", scope="read write", expires=timezone.now() - timedelta(1)
    )
    RefreshToken.objects.create(user=ann, application=desk, token=KEY, access_token=ended)


fill()
serve(get_wsgi_application(), host="127.0.0.1", port=PORT, threads=4)
