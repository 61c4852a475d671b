"""Everything that can go wrong in a way that the person at the keyboard can mend.

Every message is one sentence for that person: what happened, where, what to do. The command line prints it
without a traceback; anything that is not an `EccPxError` is a bug of ours and is shown as one.
"""


class EccPxError(Exception):
    """Root of the errors that a user can act on."""


class InvalidSetting(EccPxError):
    """An option's value makes no sense, alone or together with another."""


class UnreadableVolume(EccPxError):
    """A file is no image that we can read, or is damaged."""


class IncompleteVolume(UnreadableVolume):
    """A part of an image is missing: a plane, the end of a file, a chunk."""


class VolumeTooThin(EccPxError):
    """A volume has fewer voxels along an axis than a filter needs."""


class GridMismatch(EccPxError):
    """Two volumes that must lie on the same grid do not."""


class InvalidLabels(EccPxError):
    """A file of labels, or of their names, says something that no annotation can: half a class, 300 classes, none."""


class UnreadableTable(EccPxError):
    """A file is no table of cells, lacks a column, or has a line that says something that no cell can."""


class UnknownVoxelSize(EccPxError):
    """Micrometres are asked for and nobody said how large a voxel is."""


class UnreadableProject(EccPxError):
    """A file is no ilastik project, or is damaged."""


class UnsupportedProject(UnreadableProject):
    """An ilastik project of a kind that we can't apply."""


class UntrainedProject(UnreadableProject):
    """An ilastik project without a stored forest."""


class UnreadableClassifier(EccPxError):
    """A file is no classifier of ours, or is damaged; or no classifier has this name."""


class ClassifierMismatch(EccPxError):
    """A classifier does not fit the volume that it is to be applied to."""


class OutputExists(EccPxError):
    """An output is already there and nobody said to overwrite it."""


class UnfinishedWork(EccPxError):
    """An output is unfinished: another process is making it, or it was begun from or with something else."""


class UnreadableReceipt(EccPxError):
    """A receipt is missing, damaged, or speaks of something that is gone or another by now."""


class OutputFailed(EccPxError):
    """An output could not be written: disk full, no permission, format can't hold it."""


class NoRoom(OutputFailed):
    """There is less room on a disk than what is to be written will need."""


class WorkerDied(EccPxError):
    """A process that did a part of the work was killed, by somebody or for want of memory."""


class LedgerFailed(EccPxError):
    """The service's ledger is no ledger, of a later version, damaged, or can't be written."""


class LedgerInUse(LedgerFailed):
    """Another service works with the ledger."""


class AddressUnavailable(EccPxError):
    """The status page can't be served at the address that was configured."""
