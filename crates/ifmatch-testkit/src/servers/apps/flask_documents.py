"""Documents in a Flask app, as many are written: a dictionary, JSON in and out. Knows no conditions and has no tags.

Arguments: port.
"""

import logging
import sys

from flask import Flask, jsonify, request

app = Flask(__name__)
documents = {}


@app.get("/documents/<name>")
def show(name):
    if name not in documents:
        return jsonify(error="no such document"), 404
    return jsonify(documents[name])


@app.put("/documents/<name>")
def replace(name):
    status = 200 if name in documents else 201
    # What the app adds is not what was sent.
    documents[name] = {**request.get_json(), "name": name}
    return jsonify(documents[name]), status


@app.delete("/documents/<name>")
def delete(name):
    if documents.pop(name, None) is None:
        return jsonify(error="no such document"), 404
    return "", 204


logging.getLogger("werkzeug").setLevel(logging.ERROR)
app.run(host="127.0.0.1", port=int(sys.argv[1]), threaded=True)
