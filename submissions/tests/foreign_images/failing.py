"""Images that cannot work here, each beside words of the sentence that says what to change."""

CRLF = "RUN printf '#!/bin/sh\\r\\nexec python3 /opt/app/app.py\\r\\n' > /start.sh && chmod +x /start.sh"
NVIDIA = (
    "RUN printf '#!/bin/sh\\nset -e\\nnvidia-smi\\nexec python3 /opt/app/app.py\\n' > /start.sh && chmod +x /start.sh"
)
SECRET_WEIGHTS = "RUN mkdir /models && echo w > /models/w.bin && chmod 600 /models/w.bin"
NO_DRIVER = 'raise RuntimeError("Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU")'
# (program, lines of its Dockerfile, words of the diagnosis)
FAILURES = dict(zip(
    ["cuda", "module", "library", "mode_600", "read_only", "crlf", "nvidia_smi", "download", "memory"],
    [
        (NO_DRIVER, (), ("asks for a GPU", "torch.cuda.is_available()", 'map_location="cpu"')),
        ("import monai", (), ("`monai` is not in the image", "pip install monai`")),
        (
            'import ctypes\nctypes.CDLL("libGL.so.1")',
            (),
            ("libGL.so.1 is not in the image", "apt-get install -y libgl1"),
        ),
        ('open("/models/w.bin")', (SECRET_WEIGHTS,), ("/models/w.bin", "chmod -R a+rX /models")),
        ('open("/data.bin", "w")', (), ("writes to /data.bin, into the root folder itself", "such as /tmp")),
        ("", (CRLF, 'ENTRYPOINT ["/start.sh"]'), ("/start.sh has Windows line ends", "sed -i 's/\\r$//' /start.sh")),
        ("", (NVIDIA, 'ENTRYPOINT ["/start.sh"]'), ("nvidia-smi || true", "this phase has none")),
        (
            'import urllib.request\nurllib.request.urlopen("https://huggingface.co/weights")',
            (),
            ("there is no network", "download it in the Dockerfile"),
        ),
        ("bytearray(2000 << 20)[::4096]", (), ("more than the 1024 MiB", "highest seen")),
    ],
    strict=True,
))  # fmt: skip
LOADER = (
    "RUN python3 -c \"d=open('/bin/true','rb').read();"
    "open('/server','wb').write(d.replace(b'/lib64/ld-linux-x86-64.so.2',b'/lib/ld-musl-x86_64.so.1'+bytes(3)))\""
    " && chmod +x /server"
)
FAILURES["module_of_a_package"] = ("import cv2.aruco", (), ("`cv2`", "`RUN pip install opencv-python-headless`"))
FAILURES["no_weights"] = ('open("/opt/ml/model/w.pth")', (), ("/opt/ml/model/w.pth", "as the model archive"))
FAILURES["loader"] = ("", (LOADER, 'ENTRYPOINT ["/server"]'), ("/server needs a loader",))

ANSWERING = "from serving import serve\nserve(lambda body, number: ({status}, {answer!r}))"
# (status, body of the answer, words of the diagnosis)
ANSWERS = [
    (401, b'{"detail":"Not authenticated"}', "bearer_token"),
    (404, b'{"detail":"Not Found"}', "nothing for POST at /api/v1/predict/lesion"),
    (422, b'{"detail":[{"loc":["body","image"],"msg":"field required"}]}', '{"file_field": "image"}'),
    (422, b'{"detail":[{"loc":["body","CoordX"],"msg":"field required"}]}', '{"field_names": "csv"}'),
    (422, b'{"detail":[{"type":"extra_forbidden","loc":["body","gender"]}]}', '{"omit": ["gender"]}'),
    (200, b'{"p": 0.5}', "probability_path"),
]
