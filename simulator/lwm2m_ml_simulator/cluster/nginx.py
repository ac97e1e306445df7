"""nginx as the balancer in front of the nodes: datagrams of one address and port go to one node, while it is there."""

import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lwm2m_ml_simulator.cluster.process import LOOPBACK, find_program, running, start

MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
PACKAGE = "nginx-light libnginx-mod-stream"
MOST_FILES = 65_536
FAIL_SECONDS = 120
"""How long nginx leaves a node alone that did not answer: longer than any device waits before it tries again. Otherwise
each attempt of a device that is alone would be the one by which nginx sees whether the node is back."""
CONFIGURATION = """
load_module {module};
daemon off;
pid {folder}/nginx.pid;
error_log {log} warn;
worker_processes 1;
worker_rlimit_nofile {files};
events {{ worker_connections {connections}; }}
stream {{
    upstream nodes {{
        hash $remote_addr:$remote_port consistent;
{nodes}
    }}
    server {{
        listen {host}:{port} udp;
        proxy_pass nodes;
        proxy_timeout 10m;
    }}
}}
"""


@contextmanager
def balancer(nodes: Sequence[tuple[str, int]], folder: Path, *, port: int) -> Iterator[None]:
    """Spread the devices that come in at this UDP port over nodes. Raises `MissingToolError`."""
    program = find_program("nginx", PACKAGE)
    if not MODULE.exists():
        find_program("ngx_stream_module.so", PACKAGE)
    folder.mkdir(parents=True, exist_ok=True)
    log, file = folder / "error.log", folder / "nginx.conf"
    servers = "\n".join(f"        server {host}:{at} max_fails=1 fail_timeout={FAIL_SECONDS}s;" for host, at in nodes)
    files = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], MOST_FILES)
    file.write_text(
        CONFIGURATION.format(
            files=files,
            connections=files // 2,
            module=MODULE,
            folder=folder,
            log=log,
            nodes=servers,
            host=LOOPBACK,
            port=port,
        )
    )
    command = [program, "-c", str(file), "-p", str(folder), "-e", str(log)]
    with running(start("nginx", command, folder / "output.log")) as found:
        found.wait_until(lambda: (folder / "nginx.pid").exists() and (folder / "nginx.pid").read_text().strip() != "")
        yield
