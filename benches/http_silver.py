"""django-silver 0.11.1, the peer of `benches/http`: the same objects behind gunicorn, on PostgreSQL.

usage: http_silver.py make CUSTOMERS   makes the tables of the empty database SILVER_DATABASE and fills them; prints the paths
       gunicorn http_silver:application serves them
"""

import os
import sys

import django
from django.conf import settings

DATABASE = os.environ["SILVER_DATABASE"].split(":")  # host:port:user:name

settings.configure(
    SECRET_KEY="bench",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF="http_silver",
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": DATABASE[0],
            "PORT": DATABASE[1],
            "USER": DATABASE[2],
            "NAME": DATABASE[3],
            "CONN_MAX_AGE": None,
        }
    },
    INSTALLED_APPS=[
        "dal",
        "dal_select2",
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "rest_framework",
        "rest_framework.authtoken",
        "django_filters",
        "silver",
    ],
    MIDDLEWARE=[],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.TokenAuthentication"],
        "DEFAULT_PAGINATION_CLASS": "silver.api.pagination.LinkHeaderPagination",
        "PAGE_SIZE": 100,
    },
    PAYMENT_PROCESSORS={},
    PAYMENT_METHOD_SECRET=b"YOUR_FERNET_KEY_HERE",
    SILVER_DEFAULT_DUE_DAYS=5,
    SILVER_AUTOMATICALLY_CREATE_TRANSACTIONS=False,
    SILVER_PAYMENT_TOKEN_EXPIRATION=None,
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import include, path  # noqa: E402

urlpatterns = [path("", include("silver.urls"))]
application = get_wsgi_application()


def make(customers):
    from datetime import date
    from decimal import Decimal

    from django.contrib.auth.models import User
    from django.core.management import call_command
    from rest_framework.authtoken.models import Token
    from silver.models import Customer, MeteredFeature, Plan, ProductCode, Provider, Subscription

    call_command("migrate", verbosity=0)
    provider = Provider.objects.create(
        name="Seller", company="Seller", address_1="A", country="DK", city="B", invoice_series="I",
        invoice_starting_number=1, flow="invoice",
    )
    feature = MeteredFeature.objects.create(
        name="API calls", unit="call", price_per_unit=Decimal("0.05"), included_units=0,
        product_code=ProductCode.objects.create(value="api_calls"),
    )
    plan = Plan.objects.create(
        name="Pro", interval="month", interval_count=1, amount=199, currency="DKK", generate_after=86_400,
        enabled=True, provider=provider, product_code=ProductCode.objects.create(value="pro"),
    )
    plan.metered_features.add(feature)
    all_of = Customer.objects.bulk_create(
        Customer(first_name="Ada", last_name=str(n), company=f"C {n}", address_1="A", country="DK", city="B")
        for n in range(customers)
    )
    today = date.today()
    subscription = Subscription.objects.create(plan=plan, customer=all_of[0], start_date=today)
    subscription.activate()
    subscription.save()
    token = Token.objects.create(user=User.objects.create_superuser("bench", "bench@example.com", "bench"))
    first = all_of[0].pk
    print(token.key)
    print(f"/customers/{first}/")
    print("/customers/?page=1")
    print(f"/customers/{first}/subscriptions/{subscription.pk}/metered-features/api_calls/")
    print(today)


if __name__ == "__main__" and sys.argv[1:2] == ["make"]:
    make(int(sys.argv[2]))
