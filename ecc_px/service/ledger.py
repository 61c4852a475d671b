"""The service's memory: every brain, every change of state, who works on what. One SQLite file.

Every change is one transaction, so that a service that is killed at any moment leaves a ledger that says what had
happened until then. Nothing else remembers anything: whatever is started next goes on from here.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
import threading
import uuid
from collections.abc import Collection, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from ecc_px.errors import InvalidSetting, LedgerFailed, LedgerInUse
from ecc_px.service.clock import Clock, Moment, SystemClock
from ecc_px.service.ledger_schema import APPLICATION, SCHEMA, VERSION
from ecc_px.service.records import COLUMNS, Brain, Event, FinishedResult, Lease, Totals, brain_of
from ecc_px.service.states import State, may_follow


class Ledger:
    """The ledger in a file, or in memory for tests.

    May be used from several threads, and opened by several processes: the service, its children, the command line.

    Parameters
    ----------
    path : path or None
        None: in memory.
    clock : Clock, optional

    Raises
    ------
    LedgerFailed
        No ledger, of a later version, damaged, or it can't be written.
    """

    def __init__(self, path: str | Path | None, *, clock: Clock | None = None) -> None:
        self.path = None if path is None else Path(path)
        self.clock = clock or SystemClock()
        self._lock = threading.RLock()
        self._held: int | None = None
        with self._errors_named():
            if self.path is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                ":memory:" if self.path is None else self.path,
                timeout=30,
                isolation_level=None,
                check_same_thread=False,
            )
            self._connection.row_factory = sqlite3.Row
            self._prepare()

    @classmethod
    def copy_of(cls, path: Path, *, clock: Clock | None = None) -> Ledger:
        """A copy in memory, to try things out on; empty if there is no such ledger. Nothing is written."""
        copy = cls(None, clock=clock)
        if path.exists():
            with copy._errors_named(), contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as own:
                own.backup(copy._connection)
            copy._check_version()
        return copy

    def close(self) -> None:
        """Let go of the file, and of `hold`."""
        self._connection.close()
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def hold(self) -> None:
        """Be the one service that works with this ledger, until `close` or the end of the process.

        Raises
        ------
        LedgerInUse
        """
        if self.path is None:
            return
        lock = self.path.with_name(self.path.name + ".lock")
        with self._errors_named():
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            # The kernel lets go of it whatever ends the process.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise LedgerInUse(
                f"{self.path}: another service works with this ledger (process {holder}). "
                "Stop that one, or give this one a ledger of its own."
            ) from None
        with self._errors_named():
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._held = descriptor

    def brains(self, *states: State) -> list[Brain]:
        """All brains, or those in some states; queue's order, then by name."""
        where = f"WHERE state IN ({', '.join('?' * len(states))})" if states else ""
        rows = self._rows(f"SELECT * FROM brain {where} ORDER BY place IS NULL, place, route, name", *states)
        return [brain_of(row) for row in rows]

    def brain(self, brain: int) -> Brain | None:
        """The brain of a number."""
        rows = self._rows("SELECT * FROM brain WHERE id = ?", brain)
        return brain_of(rows[0]) if rows else None

    def find(self, text: str) -> Brain:
        """The brain that a person means: its number, its name, `route/name`, or the path of its raw data.

        Raises
        ------
        InvalidSetting
            There is none, or more than one.
        """
        rows = self._rows(
            "SELECT * FROM brain WHERE CAST(id AS TEXT) = :t OR name = :t OR route || '/' || name = :t OR source = :t",
            text.rstrip("/") or text,
        )
        if len(rows) == 1:
            return brain_of(rows[0])
        if not rows:
            near = [
                f"{r['route']}/{r['name']}"
                for r in self._rows("SELECT route, name FROM brain ORDER BY id DESC LIMIT 5")
            ]
            known = f"the latest are {', '.join(near)}" if near else "the ledger is empty"
            raise InvalidSetting(f"{text}: the ledger knows no such brain; {known}.")
        several = ", ".join(f"{row['id']} ({row['route']}/{row['name']})" for row in rows)
        raise InvalidSetting(f"{text}: several brains are called so: {several}. Give the number.")

    def counts(self) -> dict[State, int]:
        """How many brains are in each state; states without any are left out."""
        rows = self._rows("SELECT state, COUNT(*) AS n FROM brain GROUP BY state")
        found = {row["state"]: int(row["n"]) for row in rows}
        return {state: found[state] for state in State if state in found}

    def totals(self) -> Totals:
        """What has been done since the ledger was begun."""
        done = self._rows("SELECT COUNT(*) AS n, SUM(voxels) AS voxels, SUM(seconds) AS seconds FROM result")[0]
        failed = self._rows(
            "SELECT COUNT(*) AS n FROM event WHERE after IN ('quarantined', 'retry') AND before IS NOT after"
        )[0]
        return Totals(done["n"], done["voxels"] or 0, done["seconds"] or 0.0, failed["n"])

    def events(self, brain: int | None = None, *, after: int = 0, limit: int | None = None) -> list[Event]:
        """Changes of state, oldest first: of one brain or of all, those later than the event `after`.

        Parameters
        ----------
        limit : int, optional
            Only so many, the latest ones.
        """
        where, values = "id > ?", [after]
        if brain is not None:
            where, values = where + " AND brain = ?", [after, brain]
        rows = self._rows(f"SELECT * FROM event WHERE {where} ORDER BY id DESC LIMIT ?", *values, limit or -1)
        return [
            Event(
                **{name: row[name] for name in ("id", "brain", "route", "name", "at", "why")},
                before=State(row["before"]) if row["before"] else None,
                after=State(row["after"]),
            )
            for row in reversed(rows)
        ]

    def see(self, route: str, name: str, source: str, output: str) -> Brain:
        """The brain at a path, written down if it is new."""
        with self._transaction():
            rows = self._rows("SELECT * FROM brain WHERE route = ? AND source = ?", route, source)
            if rows:
                return brain_of(rows[0])
            now = self.clock.wall()
            why = f"{source} was found."
            brain = self._execute(
                "INSERT INTO brain (route, name, source, output, state, reason, since, first_seen) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (route, name, source, output, State.seen, why, now, now),
            ).lastrowid
            self._write_event(int(brain or 0), route, name, None, State.seen, why)
            return brain_of(self._rows("SELECT * FROM brain WHERE id = ?", brain)[0])

    def change(
        self, brain: int, after: State, why: str, *, only_from: Collection[State] | None = None, **also: Any
    ) -> bool:
        """Change a brain's state, and other columns with it.

        Parameters
        ----------
        only_from : states, optional
            Change nothing if the brain is in another state by now.
        **also
            Columns.

        Returns
        -------
        bool
            Whether it was changed; False also if the brain is not known any more.
        """
        with self._transaction():
            now = self.brain(brain)
            if now is None or (only_from is not None and now.state not in only_from):
                return False
            self._change(now, after, why, also)
            return True

    def update(self, brain: int, **columns: Any) -> None:
        """Write down what is no change of state."""
        with self._transaction():
            self._set(brain, columns)

    def to_the_end(self, brain: int) -> int:
        """Give a brain the last place of the queue, and say which."""
        with self._transaction():
            last = self._rows("SELECT MAX(place) AS place FROM brain")[0]["place"]
            place = (last or 0) + 1
            self._set(brain, {"place": place})
            return int(place)

    def forget(self, brain: int) -> None:
        """Remove a brain and its finished result; its events stay."""
        with self._transaction():
            known = self.brain(brain)
            if known is None:
                return
            if known.state is State.running:
                raise InvalidSetting(f"{known.title} is being worked on: skip it first, then forget it.")
            self._execute("DELETE FROM result WHERE brain = ?", (brain,))
            self._execute("DELETE FROM brain WHERE id = ?", (brain,))

    def lease(self, brain: int, why: str) -> Lease | None:
        """Begin to work on a queued brain; None if it is not queued any more."""
        with self._transaction():
            known = self.brain(brain)
            if known is None or known.state is not State.queued:
                return None
            token, beat = uuid.uuid4().hex, self.clock.moment()
            self._execute(
                "INSERT INTO lease (brain, token, boot, beat) VALUES (?, ?, ?, ?)",
                (brain, token, beat.boot, beat.seconds),
            )
            self._change(known, State.running, why, {"step": None, "done": None, "total": None, "speed": None})
            return Lease(brain, token, None, None, beat)

    def leases(self) -> list[Lease]:
        """Who works on what."""
        return [
            Lease(row["brain"], row["token"], row["process"], row["process_start"], Moment(row["boot"], row["beat"]))
            for row in self._rows("SELECT * FROM lease")
        ]

    def beat(self, token: str, *, process: tuple[int, int] | None = None, **columns: Any) -> bool:
        """Show that the work goes on, and how far it is; False if the lease is somebody else's by now: stop.

        Parameters
        ----------
        process : (number, start), optional
            Of the process that works.
        **columns
            step, done, total, speed, seconds.
        """
        with self._transaction():
            rows = self._rows("SELECT brain FROM lease WHERE token = ?", token)
            if not rows:
                return False
            beat = self.clock.moment()
            self._execute("UPDATE lease SET boot = ?, beat = ? WHERE token = ?", (beat.boot, beat.seconds, token))
            if process is not None:
                self._execute("UPDATE lease SET process = ?, process_start = ? WHERE token = ?", (*process, token))
            self._set(rows[0]["brain"], columns)
            return True

    def end(self, token: str, after: State, why: str, **also: Any) -> bool:
        """Give a lease back, with what became of the brain; False if it was somebody else's by now.

        A brain that is `done` needs an `identity`, under which its result is remembered.
        """
        with self._transaction():
            rows = self._rows("SELECT brain FROM lease WHERE token = ?", token)
            if not rows:
                return False
            known = self.brain(rows[0]["brain"])
            assert known is not None
            self._change(known, after, why, also | {"step": None, "done": None, "total": None, "speed": None})
            if after is State.done:
                self._remember_result(known.id)
            return True

    def result(self, identity: str) -> FinishedResult | None:
        """Results that have been made of the same content, classifier and settings."""
        rows = self._rows("SELECT * FROM result WHERE identity = ?", identity)
        return FinishedResult(**dict(rows[0])) if rows else None

    def drop_result(self, identity: str) -> None:
        """Forget that results exist, because they have been removed."""
        with self._transaction():
            self._execute("DELETE FROM result WHERE identity = ?", (identity,))

    def note(self, key: str, value: Any) -> None:
        """Keep something else, as JSON: how the service is, which news have been told."""
        with self._transaction():
            self._execute(
                "INSERT INTO note VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (key, json.dumps(value)),
            )

    def noted(self, key: str, default: Any = None) -> Any:
        """What was kept under a key."""
        rows = self._rows("SELECT value FROM note WHERE key = ?", key)
        return json.loads(rows[0]["value"]) if rows else default

    def contradictions(self) -> list[str]:
        """What can't be: for tests, and for `service check`. Empty in a sound ledger."""
        with self._snapshot():
            return self._contradictions()

    def _contradictions(self) -> list[str]:
        found = [f"SQLite: {row[0]}" for row in self._rows("PRAGMA integrity_check") if row[0] != "ok"]
        leased = {lease.brain for lease in self.leases()}
        for brain in self.brains():
            events = self.events(brain.id)
            if not events or events[-1].after is not brain.state:
                found.append(f"{brain.title} is {brain.state}, and its last event says otherwise.")
            for earlier, later in pairwise(events):
                if later.before is not earlier.after:
                    found.append(f"{brain.title}: event {later.id} does not follow event {earlier.id}.")
                if later.before is not later.after and not may_follow(earlier.after, later.after):
                    found.append(f"{brain.title}: it can't have gone from {earlier.after} to {later.after}.")
            if (brain.state is State.running) != (brain.id in leased):
                found.append(f"{brain.title} is {brain.state}, {'with' if brain.id in leased else 'without'} a lease.")
            if brain.state in (State.done, State.stale) and not (brain.identity and self.result(brain.identity)):
                found.append(f"{brain.title} is {brain.state}, without a result.")
        return found

    def _change(self, brain: Brain, after: State, why: str, also: dict[str, Any]) -> None:
        if (after, why) == (brain.state, brain.reason) and not also:
            return
        if after is not brain.state:
            assert may_follow(brain.state, after), f"{brain.title} can't go from {brain.state} to {after}: {why}"
            also = {"since": self.clock.wall()} | also
            if brain.state is State.running:
                # Whoever works on it learns with the next beat that nobody waits for it any more.
                self._execute("DELETE FROM lease WHERE brain = ?", (brain.id,))
        if (after, why) != (brain.state, brain.reason):
            self._write_event(brain.id, brain.route, brain.name, brain.state, after, why)
        self._set(brain.id, {"state": after, "reason": why} | also)

    def _set(self, brain: int, columns: dict[str, Any]) -> None:
        if not columns:
            return
        unknown = set(columns) - set(COLUMNS)
        assert not unknown, f"a brain has no {unknown}"
        if "warnings" in columns:
            columns = columns | {"warnings": json.dumps(list(columns["warnings"]))}
        settings = ", ".join(f"{name} = ?" for name in columns)
        self._execute(f"UPDATE brain SET {settings} WHERE id = ?", (*columns.values(), brain))

    def _remember_result(self, brain: int) -> None:
        known = self.brain(brain)
        assert known is not None
        assert known.identity is not None, f"{known.title} is done, and nobody said of what"
        self._execute(
            "INSERT OR REPLACE INTO result VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                known.identity,
                brain,
                known.route,
                known.name,
                known.output,
                self.clock.wall(),
                known.seconds,
                known.voxels,
                known.cells,
            ),
        )

    def _write_event(self, brain: int, route: str, name: str, before: State | None, after: State, why: str) -> None:
        self._execute(
            "INSERT INTO event (brain, route, name, at, before, after, why) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (brain, route, name, self.clock.wall(), before, after, why),
        )

    def _check_version(self) -> bool:
        """Refuse what is no ledger of this version; whether it is new, and has to be laid out."""
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        application = self._connection.execute("PRAGMA application_id").fetchone()[0]
        is_new = not self._connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
        if not is_new and application != APPLICATION:
            raise LedgerFailed(
                f"{self.path}: it is a database of another program. Choose another place for the ledger."
            )
        if version > VERSION:
            raise LedgerFailed(
                f"{self.path}: a later ecc-px wrote this ledger (version {version}, this one knows {VERSION}). "
                "Update ecc-px."
            )
        return is_new

    def _prepare(self) -> None:
        is_new = self._check_version()
        mode = self._connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if self.path is not None and mode != "wal":
            raise LedgerFailed(
                f"{self.path}: this disk can't hold a ledger that survives a crash. Choose a local disk."
            )
        # After a power cut, too, what was said to be written is written.
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        if is_new:
            with self._transaction():
                # Another process may have been quicker.
                if not self._rows("SELECT 1 FROM sqlite_master LIMIT 1"):
                    for statement in SCHEMA.split(";\n"):
                        if statement.strip():
                            self._execute(statement)
                    self._execute(f"PRAGMA application_id = {APPLICATION}")
                    self._execute(f"PRAGMA user_version = {VERSION}")

    def _rows(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock, self._errors_named():
            if ":t" in statement:
                return self._connection.execute(statement, {"t": values[0]}).fetchall()
            return self._connection.execute(statement, values).fetchall()

    def _execute(self, statement: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing; inside another one, part of that."""
        with self._lock, self._errors_named():
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _snapshot(self) -> Iterator[None]:
        """Several questions about one state of things; others may write meanwhile."""
        with self._lock, self._errors_named():
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.execute("COMMIT")

    @contextlib.contextmanager
    def _errors_named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except (sqlite3.Error, OSError) as error:
            raise LedgerFailed(
                f"{self.path}: the ledger can't be read or written ({error}). Nothing of it is lost; make room, or "
                "mend the disk or the permissions, and it goes on."
            ) from error
