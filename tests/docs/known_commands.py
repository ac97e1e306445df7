"""What is done about each command of the documents: who runs it, as what it is run, or why it is only checked.

A command that none of these tables names is run as it is written.
"""

RUN_BY = {
    "docs/cli.md": "tests/cli/test_examples.py",
    "docs/quick-start.md": "tests/docs/test_quick_start.py",
    "docs/dashboard.md": "tests/browser/test_quick_start.py",
    "docs/write-a-backend.md": "tests/examples/test_backend.py",
    "examples/backend/README.md": "tests/examples/test_backend.py",
}
"""Whole documents whose commands another test runs."""

MEANT = {
    "README.md": {"ENDPOINT": "mcu", "MODEL.tflite": "digits-small.onnx --calibration calibration.npz"},
    "docs/campaigns.md": {"ID": "$CAMPAIGN", "FOLDER": "vibration"},
    "docs/cascades.md": {"ENDPOINT": "wired"},
    "docs/compiler.md": {
        "MODEL": "digits-small.onnx --calibration calibration.npz",
        "TARGET": "cortex-m4f",
        "NAME": "c",
    },
    "docs/connect-a-device.md": {"my-board": "mcu"},
    "docs/delivery.md": {"UUID": "6b3f6d7c-3a1c-4c57-9a2b-0f6d1f0f8d11"},
    "docs/models.md": {"MODEL": "digits-small.onnx", "DATA": "labelled.npz", "T": "cortex-m4f"},
    "docs/monitoring.md": {"ENDPOINT": "mcu", "MODEL": "digits", "NUMBER": "$RESULT", "CLASS": "3", "ID": "$ALARM"},
    "docs/operations.md": {"/backups/lwm2m-ml-2026-01-31.tar.gz": "backup.tar.gz", "/var/lib/lwm2m-ml": "restored"},
    "docs/security.md": {"ID": "$CREDENTIAL", "08a86b": "$KEY"},
}
"""What the words in capitals, and places elsewhere, stand for when a document's commands are run."""

RUN_AS = {
    ".venv/bin/lwm2m-ml credentials add ENDPOINT": ("credentials add reader",),
    "lwm2m-ml credentials add my-board": ("credentials add board",),
    "lwm2m-ml compile MODEL --target cortex-m4f [--optimize size|speed|balanced] [--reference litert|tflm]": (
        "compile digits-small.onnx --target cortex-m4f --optimize size --reference tflm --calibration calibration.npz",
    ),
    "lwm2m-ml run MODULE --input FILE": ("run module --input digit.npy",),
    "lwm2m-ml campaigns start reader --group meters": ("campaigns start reader --to mcu --dry-run",),
    "lwm2m-ml federated start reader --group meters --plan plan.toml": (
        "federated start reader --to mcu --plan federated.toml --dry-run",
    ),
    "lwm2m-ml inspect MODEL": ("inspect digits-small.onnx",),
    "lwm2m-ml captures take ENDPOINT": ("captures take mcu", "jobs wait $JOB"),
    "lwm2m-ml inspect MODEL [--json]": ("inspect digits-small.onnx --json",),
    "lwm2m-ml backends list | check NAME": ("backends list",),
    "lwm2m-ml targets list | show NAME | check FILE": (
        "targets list",
        "targets show nrf52840",
        "targets check board.toml",
    ),
    "lwm2m-ml shrink MODEL --data DATA --targets T": (
        "shrink digits-small.onnx --data labelled.npz --targets cortex-m4f --levels 50 --precisions int8 --no-train",
    ),
    "lwm2m-ml campaigns story ID --follow": ("campaigns story $CAMPAIGN",),
    "lwm2m-ml campaigns approve|pause|resume|cancel|roll-back ID --reason 'why'": (
        *(f"campaigns {verb} $CAMPAIGN --reason 'why' --dry-run" for verb in ("approve", "resume", "roll-back")),
        "campaigns pause $CAMPAIGN --reason 'why'",
        "campaigns cancel $CAMPAIGN --reason 'why'",
    ),
    "lwm2m-ml configurations set ENDPOINT 1 --input 'image=sensor' --input 'light=</3301/0/5700>' "
    "--condition 'light < 50'": (
        "configurations set wired 1 --input 'image=sensor' --input 'light=</3301/0/5700>' "
        "--condition 'light < 50' --dry-run",
    ),
    "lwm2m-ml configurations set ENDPOINT 0 --disable": ("configurations set wired 0 --disable --dry-run",),
    "lwm2m-ml credentials server-certificate | openssl x509 -pubkey -noout": ("credentials server-certificate",),
    "sudo -u lwm2m-ml /opt/lwm2m-ml/bin/lwm2m-ml tokens recover --data-directory /var/lib/lwm2m-ml": (
        "tokens recover --data-directory $DATA --dry-run",
    ),
    "lwm2m-ml backups create /backups/lwm2m-ml-$(date +%F).tar.gz": ("backups create backup.tar.gz",),
    ".venv/bin/lwm2m-sim run scenario.toml --server coap://127.0.0.1:5683": ("lwm2m-sim check scenario.toml",),
}
"""Commands that have a form of their own here: synopses of several, those that would wait for ever, pipes."""

RUN_DRY = ("lwm2m-ml configurations set listener ", "lwm2m-ml configurations set gateway ")
"""How commands begin that speak of the devices of `make demo-cascades`: here they are read, and nothing is sent."""

ONLY_CHECKED = {
    ".venv/bin/lwm2m-ml serve": "runs until it is stopped; the server of this test is one",
    "lwm2m-ml serve --dtls-engine cid": "runs until it is stopped; tests/coap/dtls_cid run the engine",
    "export LWM2M_ML_TOKEN=…": "is done by the test for all commands",
    "lwm2m-ml shrink lwm2m_ml/service/zoo/shipped/digits/digits-large.onnx --data digits-train.npz "
    "--test digits-test.npz --targets cortex-m4f --shift 1 --noise 0.1 -o shrunk": "trains for minutes",
    "python examples/digits/write_data.py .": "tests/examples/test_digits_training.py runs what it is made of",
    ".venv/bin/python examples/digits/train.py": "trains for minutes",
    ".venv/bin/python examples/zoo/vibration.py": "trains for minutes",
    ".venv/bin/python examples/zoo/gestures.py": "trains for minutes",
    "lwm2m-ml federated show|rounds|devices|story|weights ID": "tests/cli/test_examples.py runs each of them",
    "lwm2m-ml federated pause|resume|cancel ID --reason 'why'": "tests/cli/test_examples.py runs each of them",
    "lwm2m-ml serve --data-directory /var/lib/lwm2m-ml --node one --database "
    "'postgresql://lwm2m@db.example/lwm2m?sslmode=verify-full&sslrootcert=/etc/lwm2m-ml/ca.pem' "
    "--cluster tls://nats.example:4222 --compile-farm tls://farm.example:8786 --cluster-ca /etc/lwm2m-ml/ca.pem "
    "--cluster-certificate /etc/lwm2m-ml/node.pem --cluster-private-key /etc/lwm2m-ml/node.key "
    "--public-uris 'coaps://devices.example:5684'": "needs a cluster; tests/cluster make one",
    "apt-get install nats-server postgresql": "changes the machine",
    "pip install 'lwm2m-ml[cluster]'": "changes the machine",
    "pip install --no-binary lwm2m-ml 'lwm2m-ml[fast]'": "changes the machine",
    "export HATCH_BUILD_HOOK_ENABLE_MYPYC=1": "make test-compiled builds what it asks for",
    "dask scheduler --protocol tls --port 8786 --tls-ca-file ca.pem --tls-cert farm.pem --tls-key farm.key": (
        "is Dask's own; needs certificates"
    ),
    "dask worker tls://farm.example:8786 --no-nanny --nthreads 2 --tls-ca-file ca.pem --tls-cert farm.pem "
    "--tls-key farm.key": "is Dask's own; needs certificates",
    "ipvsadm -A -u 203.0.113.5:5684 -s sh": "changes the machine",
    "ipvsadm -a -u 203.0.113.5:5684 -r 10.0.0.11:5684 -m": "changes the machine",
    "ipvsadm -a -u 203.0.113.5:5684 -r 10.0.0.12:5684 -m": "changes the machine",
    "sudo useradd --system --home-dir /var/lib/lwm2m-ml --shell /usr/sbin/nologin lwm2m-ml": "changes the machine",
    "sudo python3 -m venv /opt/lwm2m-ml": "changes the machine",
    "sudo /opt/lwm2m-ml/bin/pip install 'lwm2m-ml[fast]'": "changes the machine",
    "sudo /opt/lwm2m-ml/bin/pip install --upgrade 'lwm2m-ml[fast]'": "changes the machine",
    "sudo install -d -m 755 /etc/lwm2m-ml": "changes the machine",
    "sudo install -m 644 docs/operations/lwm2m-ml.service /etc/systemd/system/": "changes the machine",
    "sudo systemctl enable --now lwm2m-ml": "changes the machine; tests/test_operations_documents.py reads the unit",
    "sudo systemctl restart lwm2m-ml": "changes the machine",
    "journalctl -u lwm2m-ml | grep 'Admin token'": "needs the service that the lines before install",
}
"""Commands that are not run, and why. Those of lwm2m-ml are read by the real command line."""

TARGETS_OF_MINUTES = {
    "setup": "whoever runs this has done it",
    "demo-fleet": "minutes",
    "demo-drift": "trains for minutes",
    "chaos": "minutes",
    "interop": "needs a JDK and Maven",
    "sweep": "minutes",
    "fuzz": "minutes",
    "fuzz-dtls": "minutes",
    "help": "prints the Makefile",
    "test-slow": "minutes",
    "test-compiler": "minutes",
}
"""Targets of make that CI does not run; benchmarks, `bench-…`, are the others."""
