"""How the ledger is laid out in SQLite, and how a file is known to be one."""

from __future__ import annotations

VERSION = 1
APPLICATION = 0x65637078
"""Marks an SQLite file as ours: "ecpx"."""

SCHEMA = """
CREATE TABLE brain (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    route TEXT NOT NULL,
    name TEXT NOT NULL,
    source TEXT NOT NULL,
    output TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    since REAL NOT NULL,
    first_seen REAL NOT NULL,
    files INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    planes INTEGER NOT NULL DEFAULT 0,
    expected_planes INTEGER,
    signature TEXT,
    changed_boot TEXT,
    changed_seconds REAL,
    longest_gap REAL NOT NULL DEFAULT 0,
    is_released INTEGER NOT NULL DEFAULT 0,
    place INTEGER,
    needs INTEGER,
    fingerprint TEXT,
    classifier TEXT,
    settings TEXT,
    identity TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    retry_boot TEXT,
    retry_seconds REAL,
    retry_at REAL,
    memory INTEGER,
    step TEXT,
    done INTEGER,
    total INTEGER,
    speed REAL,
    seconds REAL NOT NULL DEFAULT 0,
    voxels INTEGER NOT NULL DEFAULT 0,
    cells INTEGER,
    warnings TEXT NOT NULL DEFAULT '[]',
    UNIQUE (route, source)
);
CREATE INDEX brain_by_state ON brain (state);
CREATE TABLE event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    brain INTEGER NOT NULL,
    route TEXT NOT NULL,
    name TEXT NOT NULL,
    at REAL NOT NULL,
    before TEXT,
    after TEXT NOT NULL,
    why TEXT NOT NULL
);
CREATE INDEX event_by_brain ON event (brain, id);
CREATE TABLE lease (
    brain INTEGER PRIMARY KEY REFERENCES brain (id) ON DELETE CASCADE,
    token TEXT NOT NULL UNIQUE,
    process INTEGER,
    process_start INTEGER,
    boot TEXT NOT NULL,
    beat REAL NOT NULL
);
CREATE TABLE result (
    identity TEXT PRIMARY KEY,
    brain INTEGER NOT NULL,
    route TEXT NOT NULL,
    name TEXT NOT NULL,
    output TEXT NOT NULL,
    finished REAL NOT NULL,
    seconds REAL NOT NULL,
    voxels INTEGER NOT NULL,
    cells INTEGER
);
CREATE TABLE note (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
