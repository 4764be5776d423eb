"""The Python image at half its size: an image that a test saves, sends and unpacks costs by its bytes and files."""

PYTHON = "FROM python:3.11-slim\n"
# In one layer, or what is left out would still be carried below.
SMALL_PYTHON = """\
FROM python:3.11-slim AS whole
RUN cd /usr/lib \\
    && rm -rf python3 apt dpkg systemd terminfo init udev \\
    && cd /usr/lib/python3.11 \\
    && rm -rf test lib2to3 pydoc_data distutils idlelib ensurepip turtle.py turtledemo tkinter \\
    && cd /usr/lib/x86_64-linux-gnu \\
    && rm -rf gconv perl-base security engines-3 krb5 libapt* libgnutls* libp11* libunistring* libdb* libmvec* \\
       libgcrypt* libext2fs* libgmp* libnettle* libhogweed* \\
    && rm -rf /usr/bin/perl* /usr/bin/dpkg* /usr/bin/apt* /usr/bin/openssl \\
       /usr/sbin/e2* /usr/sbin/mk* /usr/sbin/debugfs /usr/share /var/lib/dpkg /var/cache
FROM scratch
COPY --from=whole / /
ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
CMD ["python3"]
"""


def on_small_python(dockerfile):
    """Return a Dockerfile that begins with the small image instead of the whole one."""
    assert dockerfile.startswith(PYTHON)
    return SMALL_PYTHON + dockerfile.removeprefix(PYTHON)
