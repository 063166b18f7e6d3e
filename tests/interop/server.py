"""The Socket.IO servers of Python for the tests: Flask-SocketIO or python-socketio alone.

It does what server.mjs does, and prints the same facts as lines of JSON on standard output:

    python server.py [--library flask-socketio|python-socketio] [--port N] [--mode ack|noack]
                     [--ping-interval-ms N] [--ping-timeout-ms N]

    --mode             noack: the handler fails, which is the one way in which these libraries do not acknowledge
    INTEROP_AUTH_TOKEN in the environment: a client must bring it as `auth.token`, else it is refused
    INTEROP_SCHEMAS    the directory of the published schemas; a payload that is not of its schema is a fact of its own

It ends when its standard input ends, so it never outlives the test that started it.
"""

import argparse
import json
import os
import pathlib
import sys
import threading

import jsonschema
import socketio
from flask import Flask
from flask_socketio import SocketIO
from werkzeug.serving import WSGIRequestHandler, make_server

parser = argparse.ArgumentParser()
parser.add_argument("--library", choices=["flask-socketio", "python-socketio"], default="flask-socketio")
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--mode", choices=["ack", "noack"], default="ack")
parser.add_argument("--ping-interval-ms", type=int, default=25000)
parser.add_argument("--ping-timeout-ms", type=int, default=20000)
options = parser.parse_args()

token = os.environ.get("INTEROP_AUTH_TOKEN", "")
schema = json.loads((pathlib.Path(os.environ["INTEROP_SCHEMAS"]) / "mining_reward.v1.json").read_text())
validator = jsonschema.Draft202012Validator(schema)
output = threading.Lock()


def tell(**fact):
    with output:
        print(json.dumps(fact), flush=True)


class Wire:
    """The json module, which remembers the text that it has read last: each connection has a thread of its own."""

    last = threading.local()
    dumps = staticmethod(json.dumps)

    @classmethod
    def loads(cls, text, **arguments):
        cls.last.text = text
        return json.loads(text, **arguments)


def welcome(sid, auth):
    if token and (auth or {}).get("token") != token:
        tell(refused="unauthorized")
        raise socketio.exceptions.ConnectionRefusedError("unauthorized")
    tell(connected=sid)


def take(reward):
    error = jsonschema.exceptions.best_match(validator.iter_errors(reward))
    if error is not None:
        tell(schema_error=error.message)
    tell(event="mining_reward", payload_text=json.dumps(reward), wire_text=getattr(Wire.last, "text", ""), has_callback=True)


settings = {
    "async_mode": "threading",
    # In the thread of its connection, so that the text on the wire is the one of this event.
    "async_handlers": False,
    "ping_interval": options.ping_interval_ms / 1000,
    "ping_timeout": options.ping_timeout_ms / 1000,
    "json": Wire,
}

if options.library == "flask-socketio":
    app = Flask(__name__)
    io = SocketIO(app, **settings)

    @io.on("connect")
    def flask_connect(auth=None):
        from flask import request

        welcome(request.sid, auth)

    @io.on("disconnect")
    def flask_disconnect(reason=None):
        tell(disconnected=str(reason))

    @io.on("mining_reward")
    def flask_reward(reward):
        take(reward)
        if options.mode == "noack":
            raise RuntimeError("the handler fails")
        tell(relayed=reward["room"])
        io.emit("mining_reward", reward, to=reward["room"])

else:
    io = socketio.Server(**settings)
    app = socketio.WSGIApp(io)

    @io.event
    def connect(sid, environ, auth=None):
        welcome(sid, auth)

    @io.event
    def disconnect(sid, reason=None):
        tell(disconnected=str(reason))

    @io.event
    def mining_reward(sid, reward):
        take(reward)
        if options.mode == "noack":
            raise RuntimeError("the handler fails")
        tell(relayed=reward["room"])
        io.emit("mining_reward", reward, to=reward["room"])
        return {"ok": True}


class Quiet(WSGIRequestHandler):
    def log(self, type, message, *arguments):
        pass


# Both listen on the same kind of server: a thread for each connection, which is what `async_mode="threading"` asks for.
server = make_server("127.0.0.1", options.port, app, threaded=True, request_handler=Quiet)
tell(listening=server.server_port)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
os._exit(0)
