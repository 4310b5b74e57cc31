"""Documents in a Django app with a database: its own decorator judges the conditions, then the view writes.

Arguments: port, database file.
"""

import hashlib
import sys

import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": sys.argv[2],
            # Writers wait for each other; otherwise some would be told that the database is locked.
            "OPTIONS": {"transaction_mode": "IMMEDIATE"},
        }
    },
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="nothing here is secret",
)
django.setup()

import waitress  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection, models  # noqa: E402
from django.http import Http404, HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.http import condition  # noqa: E402


class Document(models.Model):
    name = models.CharField(max_length=200, primary_key=True)
    content = models.TextField()

    class Meta:
        app_label = "documents"


def etag(request, name):
    content = Document.objects.filter(name=name).values_list("content", flat=True).first()
    return content and f'"{hashlib.sha256(content.encode()).hexdigest()[:32]}"'


@condition(etag_func=etag)
def document(request, name):
    if request.method == "PUT":
        _, is_new = Document.objects.update_or_create(
            name=name, defaults={"content": request.body.decode()}
        )
        return HttpResponse(status=201 if is_new else 204)
    found = Document.objects.filter(name=name)
    if request.method == "DELETE":
        count, _ = found.delete()
        return HttpResponse(status=204 if count else 404)
    found = found.first()
    if not found:
        raise Http404
    return HttpResponse(found.content, content_type="application/json")


urlpatterns = [path("documents/<name>", document)]

with connection.schema_editor() as editor:
    editor.create_model(Document)
connection.close()
waitress.serve(get_wsgi_application(), host="127.0.0.1", port=int(sys.argv[1]), threads=16, _quiet=True)
