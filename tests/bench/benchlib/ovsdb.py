"""JSON-RPC over one open unix socket: OVSDB transactions, and the commands of daemons."""
import json
import socket

from benchlib.context import BenchError


class JsonRpc:
    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(path)
        self.decoder = json.JSONDecoder()
        self.text = ""
        self.id = 0

    def close(self):
        self.sock.close()

    def call(self, method, params):
        self.id += 1
        self._send({"method": method, "params": params, "id": self.id})
        while True:
            message = self._receive()
            if message.get("method") == "echo":
                self._send({"id": message["id"], "result": message["params"], "error": None})
            elif message.get("id") == self.id:
                break
        if message["error"]:
            raise BenchError(f"{method}: {message['error']}")
        return message["result"]

    def _send(self, message):
        self.sock.sendall(json.dumps(message, separators=(",", ":")).encode())

    def _receive(self):
        while True:
            try:
                message, end = self.decoder.raw_decode(self.text)
                self.text = self.text[end:].lstrip()
                return message
            except ValueError:
                more = self.sock.recv(1 << 20)
                if not more:
                    raise BenchError("the server closed the connection") from None
                self.text += more.decode()


class Ovsdb(JsonRpc):
    def __init__(self, path, database):
        super().__init__(path)
        self.database = database

    def transact(self, operations):
        """The results; an operation that fails is a BenchError."""
        results = self.call("transact", [self.database, *operations])
        errors = [r for r in results or [] if r and "error" in r]
        if errors:
            raise BenchError(f"OVSDB: {errors[0]}")
        return results
