"""Talking to systemd: that the service is ready and alive, and the unit that starts it."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import sys
from pathlib import Path

from ecc_px.service.config import Facility

_UNIT = """\
# Made by: ecc-px service unit {facility}
# Write it to /etc/systemd/system/ecc-px.service, make the user that it names, then:
#   systemctl daemon-reload && systemctl enable --now ecc-px

[Unit]
Description=ecc-px: brains from the microscope to their cells
Documentation=file:{facility}
After=network-online.target remote-fs.target local-fs.target
Wants=network-online.target
{mounts}

[Service]
Type=notify
NotifyAccess=main
User=ecc-px
Group=ecc-px
ExecStart={command} watch {facility_quoted}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=30
WatchdogSec=5min
# The block that is being worked on is finished first; what is not finished then is gone on with at the next start.
TimeoutStopSec=90
KillMode=mixed

# The microscope comes first.
Nice=5
CPUWeight=20
IOWeight=20
{memory}OOMPolicy=continue

# It can write its ledger and its results, and nothing else.
ProtectSystem=strict
ReadWritePaths={writable}
StateDirectory=ecc-px
CacheDirectory=ecc-px
Environment=NUMBA_CACHE_DIR=/var/cache/ecc-px MPLCONFIGDIR=/var/cache/ecc-px
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
NoNewPrivileges=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
CapabilityBoundingSet=
SystemCallArchitectures=native
UMask=0022

[Install]
WantedBy=multi-user.target
"""


def notify(*messages: str) -> bool:
    """Tell systemd (``READY=1``, ``WATCHDOG=1``, ``STOPPING=1``, ``STATUS=…``); False where nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    # An @ stands for a name that is no file.
    place = "\0" + address[1:] if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
            connection.sendto("\n".join(messages).encode(), place)
    except OSError:
        return False
    return True


def unit(facility: Facility) -> str:
    """The text of a unit for a facility."""
    program = shutil.which("ecc-px") or str(Path(sys.executable).with_name("ecc-px"))
    service = facility.service
    memory = f"MemoryMax={int(service.memory * service.jobs * 1.5)}\n" if service.memory else ""
    watched = dict.fromkeys(str(route.watch) for route in facility.routes)
    mounts = "RequiresMountsFor=" + " ".join(_escaped(path) for path in (str(service.output), *watched))
    writable = " ".join(_escaped(str(path)) for path in dict.fromkeys((service.state.parent, service.output)))
    return _UNIT.format(
        facility=facility.path,
        facility_quoted=_escaped(str(facility.path)),
        command=_escaped(program),
        memory=memory,
        mounts=mounts,
        writable=writable,
    )


def _escaped(text: str) -> str:
    """As systemd reads it: % begins a specifier, and spaces end a word."""
    quoted = text.replace("%", "%%")
    return shlex.quote(quoted) if " " in quoted else quoted
