"""nginx in front of one instance or of two."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.processes import free_port, run_process, wait_for_port

PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
CONFIGURATION = """
daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    upstream service {{
        {servers}
        keepalive 200;
    }}
    server {{
        listen 127.0.0.1:{port};
        keepalive_requests 1000000;
        location / {{
            proxy_pass http://service;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
        }}
    }}
}}
"""


def is_installed() -> bool:
    return shutil.which("nginx", path=PATH) is not None


@contextmanager
def balance(folder: Path, *ports: int) -> Iterator[int]:
    """Run nginx in front of these instances inside the block, and give its port."""
    port = free_port()
    servers = " ".join(f"server 127.0.0.1:{each};" for each in ports)
    (folder / "nginx.conf").write_text(CONFIGURATION.format(servers=servers, port=port), encoding="utf-8")
    log = folder / "nginx.log"
    with run_process(["nginx", "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"], folder, log, {}):
        wait_for_port(port, log)
        yield port
