"""The HTTP contract, in the standard library: POST /api/v1/predict/lesion on port 8000."""

import json
import re
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from nodule_size import Scan, malignancy


class Handler(BaseHTTPRequestHandler):
    """Answers one lesion a call and keeps the connection open."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    last_scan = (None, None)

    def do_GET(self):
        self.answer(200, {"status": "ok"})

    def do_POST(self):
        started = time.monotonic()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            fields, file = parts_of(body, self.headers["Content-Type"])
            point = [float(fields[name]) for name in ("coordX", "coordY", "coordZ")]
            probability = malignancy(self.scan(file), point)
        except (KeyError, ValueError) as error:
            self.answer(400, {"status": "error", "error_code": "VALIDATION_ERROR", "message": str(error)})
            return
        data = {
            "seriesInstanceUID": fields["seriesInstanceUID"],
            "lesionID": int(fields["lesionID"]),
            "probability": probability,
            "predictionLabel": int(probability >= 0.5),
            "processingTimeMs": round(1000 * (time.monotonic() - started)),
        }
        self.answer(200, {"status": "success", "data": data})

    def scan(self, file):
        """Return the decoded scan; lesions of one scan come one after the other, so the last is kept."""
        key = (len(file), zlib.crc32(file))
        if Handler.last_scan[0] != key:
            Handler.last_scan = (key, Scan(file))
        return Handler.last_scan[1]

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *args):
        """Say nothing: logs are bounded, and nobody reads a line a call."""


def parts_of(body, content_type):
    """Return (the text fields, the bytes of the file) of a multipart body."""
    boundary = b"--" + re.search(r'boundary="?([^";]+)', content_type).group(1).encode()
    fields, file = {}, b""
    for part in body.split(boundary)[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]*)"', head).group(1).decode()
        if b"filename=" in head:
            file = content[:-2]
        else:
            fields[name] = content[:-2].decode()
    return fields, file


if __name__ == "__main__":
    ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
