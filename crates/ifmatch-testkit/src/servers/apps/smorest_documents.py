"""Documents in a flask-smorest API with its ETag feature on: it asks for a condition, judges it, and then the view
writes. A file holds each document.

Arguments: port, folder.
"""

import json
import pathlib
import sys

import waitress
from flask import Flask
from flask.views import MethodView
from flask_smorest import Api, Blueprint, abort
from marshmallow import Schema, fields

FOLDER = pathlib.Path(sys.argv[2])


class DocumentSchema(Schema):
    name = fields.String()
    number = fields.Integer(required=True)


def load(name):
    try:
        return json.loads((FOLDER / name).read_text())
    except FileNotFoundError:
        abort(404, message="no such document")


def store(name, document):
    # What is read is always whole.
    part = FOLDER / f".{name}.{id(document)}"
    part.write_text(json.dumps(document))
    part.replace(FOLDER / name)


documents = Blueprint("documents", __name__, url_prefix="/documents")


@documents.route("/")
class Documents(MethodView):
    @documents.etag
    @documents.arguments(DocumentSchema)
    @documents.response(201, DocumentSchema)
    def post(self, document):
        store(document["name"], document)
        return document


@documents.route("/<name>")
class Document(MethodView):
    @documents.etag
    @documents.response(200, DocumentSchema)
    def get(self, name):
        return load(name)

    @documents.etag
    @documents.arguments(DocumentSchema)
    @documents.response(200, DocumentSchema)
    def put(self, document, name):
        documents.check_etag(load(name), DocumentSchema)
        document["name"] = name
        store(name, document)
        return document

    @documents.etag
    @documents.response(204)
    def delete(self, name):
        documents.check_etag(load(name), DocumentSchema)
        (FOLDER / name).unlink(missing_ok=True)


app = Flask(__name__)
app.config.update(API_TITLE="documents", API_VERSION="1", OPENAPI_VERSION="3.1.0")
Api(app).register_blueprint(documents)
waitress.serve(app, host="127.0.0.1", port=int(sys.argv[1]), threads=16, _quiet=True)
