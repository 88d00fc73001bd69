"""The controller's API over its unix socket; paths in include/virga/api_paths.h."""
import http.client
import json
import socket

from .system import LabError


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.unix_path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Without a timeout, which would make a full queue an error instead of a wait.
        self.sock.connect(self.unix_path)
        self.sock.settimeout(self.timeout)


class ApiError(LabError):
    def __init__(self, message, code):
        super().__init__(message)
        self.code = code


class Api:
    def __init__(self, socket_path):
        self.socket_path = socket_path

    def call(self, method, path, body=None, content_type="application/json", timeout=30):
        connection = _UnixConnection(self.socket_path, timeout)
        try:
            connection.request(method, path, None if body is None else json.dumps(body),
                               {} if body is None else {"Content-Type": content_type})
            response = connection.getresponse()
            text = response.read().decode()
        except (OSError, http.client.HTTPException) as e:
            raise ApiError(f"the controller does not answer ({e}); "
                           "\"scripts/lab status\" shows what runs", 0) from e
        finally:
            connection.close()
        try:
            value = json.loads(text) if text else {}
        except ValueError:
            value = {"message": text}
        if response.status >= 300:
            raise ApiError(f"{method} {path}: {response.status} {value.get('message', '')}",
                           response.status)
        return value

    def get(self, path, **options):
        return self.call("GET", path, **options)

    def merge(self, path, patch):
        return self.call("PATCH", path, patch, "application/merge-patch+json")

    def status(self, timeout=5):
        return self.get("/virga/v1/status", timeout=timeout)

    def sync(self, seconds=30):
        """Returns when every ready node has applied all that was written before."""
        return self.get(f"/virga/v1/sync?timeout={seconds}", timeout=seconds + 5)
