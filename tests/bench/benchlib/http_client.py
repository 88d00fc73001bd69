"""Many requests to the controller's API: one open connection, or several at work."""
import http.client
import json
import queue
import socket
import threading
import time

from benchlib.context import BenchError

WORKERS = 32
IDLE_SECONDS = 30  # The server hangs up after 90.
PLURALS = {"Namespace": "/api/v1/namespaces", "Pod": "/api/v1/{}/pods",
           "NetworkPolicy": "/apis/networking.k8s.io/v1/{}/networkpolicies"}


def collection(obj):
    ns = obj["metadata"].get("namespace")
    return PLURALS[obj["kind"]].format(f"namespaces/{ns}")


def path_of(obj):
    return f"{collection(obj)}/{obj['metadata']['name']}"


class Client(http.client.HTTPConnection):
    """Stays connected, so that setting up is not measured."""

    def __init__(self, socket_path):
        super().__init__("localhost", timeout=600)
        self.socket_path = socket_path
        self.used = 0.0

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.socket_path)

    def send_text(self, method, path, text=None, content_type="application/json"):
        if time.monotonic() - self.used > IDLE_SECONDS:
            self.close()
        self.used = time.monotonic()
        self.request(method, path, text, {"Content-Type": content_type} if text else {})
        response = self.getresponse()
        answer = response.read()
        if response.status >= 300:
            raise BenchError(f"{method} {path}: {response.status} {answer.decode()[:500]}")
        return answer

    def call(self, method, path, body=None, content_type="application/json"):
        return self.send_text(method, path, body and json.dumps(body), content_type)

    def merge(self, path, patch):
        return self.call("PATCH", path, patch, "application/merge-patch+json")

    def sync(self, seconds=300):
        """Every ready node's switch has confirmed all that was written before."""
        self.call("GET", f"/virga/v1/sync?timeout={seconds}")


def send_all(socket_path, requests, workers=WORKERS):
    """requests: [(method, path, text, content type or None)], by several connections at
    once; each order of the list is only kept within one connection."""
    todo = queue.SimpleQueue()
    for request in requests:
        todo.put(request)
    failures = []

    def work():
        client = Client(socket_path)
        try:
            while not failures:
                client.send_text(*todo.get_nowait())
        except queue.Empty:
            pass
        except (BenchError, OSError) as e:
            failures.append(e)
        finally:
            client.close()

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failures:
        raise BenchError(str(failures[0]))


def creations(objects):
    """For send_all(); texts are made beforehand."""
    return [("POST", collection(o), json.dumps(o), "application/json") for o in objects]
