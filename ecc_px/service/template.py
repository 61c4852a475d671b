"""The file that `ecc-px service init` writes, for somebody who has never seen one."""

from __future__ import annotations

from pathlib import Path

from ecc_px.volumes.partial import written_whole

TEMPLATE = """\
# What ecc-px watches, and what becomes of the brains that arrive.
# `ecc-px service check {name}` says whether all of this can work, and what would match right now; it writes nothing.
# Relative paths begin at the folder of this file. A line with # at its start shows what holds where nothing is said.

[service]
state  = "/var/lib/ecc-px/ledger.sqlite"   # the memory of all brains; on a local disk, not on a share
output = "/data/results"                   # results, logs, reasons of quarantine: OUTPUT/ROUTE/BRAIN/
http   = "127.0.0.1:8765"                  # status page; leave the line out for none
# token = "a long secret"                  # lets people retry and release on the page; without it: read-only

# scan      = "1 min"      # time between two looks at the watched folders
# watching  = "auto"       # what wakes it before that: inotify (local disks), polling (nothing does), or auto
# late      = "6 h"        # an incomplete brain to which nothing was added for so long is late: you are told
# jobs      = 1            # brains at a time
# threads   = 8            # of each brain; default: all processors, divided by jobs
# memory    = "32 GB"      # of each brain; default: most of what is free, divided by jobs
# nice      = 10           # 0 (as important as everything else) to 19 (only what nobody wants)
# idle_io   = true         # disks serve the microscope first
# keep_free = "10 GB"      # room on the disk of OUTPUT that is left alone; a brain waits until its results fit, too
# retries     = 5          # tries after what may pass: a share that was away, too little memory
# retry_after = "1 min"    # before the first of them; each pause is four times the one before, 6 h at most

[notify]
# urls   = ["mailto://user:password@example.org", "https://hooks.slack.com/services/A/B/C"]   # as apprise has them
# on     = ["done", "failed", "late", "disk", "trouble"]   # trouble: such as a watched folder that is away
# digest = "5 min"         # news of so long come in one message

[[route]]                        # one for each stain
name       = "PV"
watch      = "/data/incoming"    # read only; nothing in it is ever written, moved or deleted
match      = "*_PV*"             # names in it: of a folder of planes, a file, or an .ome.zarr; "*/PV" if deeper
classifier = "/data/classifiers/PV.ilp"
voxel_um   = [6.5, 6.5, 6.5]     # µm along z, y, x; leave it out where the files say it

# Arrived, as soon as any of these is true. Where the number of planes is known (given here, or by OME metadata), being
# quiet is not enough: fewer planes are late, not complete.
#   marker: a file that the microscope writes last, inside of the brain's folder, or beside the brain as BRAIN.done.txt
#   planes: files that a complete folder has
#   quiet:  nothing has changed for so long; grows where planes come slowly
complete   = {{ marker = "done.txt", quiet = "10 min" }}

cells      = {{ threshold = 0.7, min_volume = 2, max_volume = 64 }}   # as options of `ecc-px cells find`
prediction = {{ dtype = "uint8" }}                                    # as options of `ecc-px predict`
"""


def write_template(path: Path) -> None:
    """Write the commented configuration.

    Raises
    ------
    OutputExists, OutputFailed
    """
    with written_whole(path, overwrite=False) as temporary:
        temporary.write_text(TEMPLATE.format(name=path.name), encoding="utf-8")
