"""A collector of traces: it speaks OTLP over HTTP on the port in argv, and prints a line of JSON for each span."""

import json
import sys
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, HTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue


def convert(value: AnyValue) -> object:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [convert(each) for each in value.array_value.values]
    return getattr(value, str(kind))


def read_attributes(attributes: Iterable[KeyValue]) -> dict[str, object]:
    return {each.key: convert(each.value) for each in attributes}


class Collector(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        sent = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        for resource in sent.resource_spans:
            for span in (span for scope in resource.scope_spans for span in scope.spans):
                ids = {name: getattr(span, name).hex() for name in ("trace_id", "span_id", "parent_span_id")}
                service = read_attributes(resource.resource.attributes)["service.name"]
                line = {"name": span.name, "service": service, **ids, "attributes": read_attributes(span.attributes)}
                print(json.dumps(line), flush=True)
        self.do_GET()


HTTPServer(("127.0.0.1", int(sys.argv[1])), Collector).serve_forever()
