"""The part of the double of CuPy that stands for `cupy.cuda`: devices, streams, events and memory.

This is no GPU: see `fake_cupy`. It does what matters to who drives one: work goes to the current
stream of the current device, and what was made on a stream may be read on another only behind an
event, or after the host has waited; each time the host waits, or reads from the device, is counted.
"""

from __future__ import annotations

import ctypes
import types
from collections import defaultdict
from contextlib import contextmanager
from threading import local

NULL, PER_THREAD = 0, 2


class DeviceSynchronized(RuntimeError):
    """`cupyx.DeviceSynchronized`."""

    def __init__(self, message="Device synchronization was detected while disallowed."):
        super().__init__(message)


class Counts:
    """What tests look at: how often the host waited or read, and what was read too early."""

    allowed = True

    def __init__(self):
        self.reset()

    def reset(self):
        self.device_to_host = self.host_to_device = self.synchronizations = 0
        self.races = []

    def wait(self):
        if not self.allowed:
            raise DeviceSynchronized
        self.synchronizations += 1

    def read(self):
        self.device_to_host += 1
        self.wait()


counts = Counts()
devices = 2


@contextmanager
def allow_synchronize(allow):
    """`cupyx.allow_synchronize`."""
    before, counts.allowed = counts.allowed, allow
    try:
        yield
    finally:
        counts.allowed = before


class _Thread(local):
    def __init__(self):
        self.device, self.devices, self.streams = 0, [], defaultdict(list)


_thread = _Thread()


class CUDARuntimeError(RuntimeError):
    def __init__(self, status, message=""):
        super().__init__(message or f"cudaError {status}")
        self.status = status


class Device:
    """`cupy.cuda.Device`."""

    def __init__(self, device=None):
        self.id = _thread.device if device is None else int(device)
        if not 0 <= self.id < devices:
            raise CUDARuntimeError(101, "cudaErrorInvalidDevice: invalid device ordinal")

    def __int__(self):
        return self.id

    def __eq__(self, other):
        return isinstance(other, Device) and other.id == self.id

    def __hash__(self):
        return hash(self.id)

    def __repr__(self):
        return f"<CUDA Device {self.id}>"

    def __enter__(self):
        _thread.devices.append(_thread.device)
        _thread.device = self.id
        return self

    def __exit__(self, *exc):
        _thread.device = _thread.devices.pop()

    def use(self):
        _thread.device = self.id

    def synchronize(self):
        counts.wait()
        for (device, _), clock in list(_clocks.items()):
            if device == self.id:
                _merge(_host, clock)

    compute_capability = "90"

    @property
    def mem_info(self):
        return pool.capacity - pool.held[self.id], pool.capacity

    @property
    def pci_bus_id(self):
        return f"0000:{self.id:02x}:00.0"


# -- streams: a clock for each says what has been queued on it, and what that waits for ----------

_clocks = defaultdict(lambda: defaultdict(int))
_host = defaultdict(int)


def _merge(clock, other):
    for k, n in list(other.items()):
        clock[k] = max(clock[k], n)


class _BaseStream:
    def __init__(self, ptr, device_id):
        self.ptr, self.device_id = ptr, device_id

    def __eq__(self, other):
        return isinstance(other, _BaseStream) and other.ptr == self.ptr

    def __hash__(self):
        return self.ptr

    def __repr__(self):
        return f"<{type(self).__name__} {self.ptr} (device {self.device_id})>"

    def _key(self):
        return (_thread.device if self.device_id < 0 else self.device_id, self.ptr)

    def __enter__(self):
        device = self._key()[0]
        if device != _thread.device:
            raise RuntimeError("This stream was not created on the current device.")
        _thread.streams[device].append(self)
        return self

    def __exit__(self, *exc):
        _thread.streams[self._key()[0]].pop()

    def use(self):
        _thread.streams[self._key()[0]][:] = [self]

    def record(self, event=None):
        event = event or Event()
        event.clock, event.recorded = dict(_clocks[self._key()]), True
        return event

    def wait_event(self, event):
        assert event.recorded, "an event that was never recorded is waited for"
        _merge(_clocks[self._key()], event.clock)

    def synchronize(self):
        counts.wait()
        _merge(_host, _clocks[self._key()])

    @property
    def done(self):
        return True

    def __cuda_stream__(self):
        return (0, self.ptr)


class Stream(_BaseStream):
    """`cupy.cuda.Stream`: unlike CUDA's own ones, none of these waits for the default stream."""

    _last = 100

    def __init__(self, null=False, non_blocking=False, ptds=False, priority=None):
        if null:
            super().__init__(NULL, -1)
            return
        Stream._last += 1
        super().__init__(Stream._last, _thread.device)


Stream.null = Stream(null=True)


class ExternalStream(_BaseStream):
    """`cupy.cuda.ExternalStream`."""

    def __init__(self, ptr, device_id=-1):
        super().__init__(ptr, device_id)


class Event:
    """`cupy.cuda.Event`."""

    def __init__(self, block=False, disable_timing=False, interprocess=False):
        self.clock, self.recorded, self.done = {}, False, True

    def record(self, stream=None):
        (stream or get_current_stream()).record(self)

    def synchronize(self):
        counts.wait()
        _merge(_host, self.clock)


def get_current_stream(device_id=-1):
    stack = _thread.streams[_thread.device if device_id < 0 else device_id]
    return stack[-1] if stack else Stream.null


def launch(read=()):
    """Queue work on the current stream that reads these (name, ticket); return the ticket of its result."""
    key = get_current_stream()._key()
    clock = _clocks[key]
    _merge(clock, _host)
    for what, ticket in read:
        if ticket is not None and clock[ticket[0]] < ticket[1]:
            counts.races.append(f"{what} of stream {ticket[0]} is read on stream {key}")
    clock[key] += 1
    return key, clock[key]


# -- memory --------------------------------------------------------------------------------------


class OutOfMemoryError(MemoryError):
    """`cupy.cuda.memory.OutOfMemoryError`."""


class _Pool:
    """The memory pool of all devices; `capacity` bytes on each."""

    capacity = 80 * 2**30

    def __init__(self):
        self.used, self.held = defaultdict(int), defaultdict(int)

    def take(self, n, device):
        n = -(-n // 512) * 512
        if self.used[device] + n > self.capacity:
            raise OutOfMemoryError(f"Out of memory allocating {n:,} bytes")
        self.used[device] += n
        self.held[device] = max(self.held[device], self.used[device])
        return n

    def used_bytes(self):
        return self.used[_thread.device]

    def total_bytes(self):
        return self.held[_thread.device]

    def free_bytes(self):
        return self.total_bytes() - self.used_bytes()

    def free_all_blocks(self, stream=None):
        self.held[_thread.device] = self.used[_thread.device]

    def get_limit(self):
        return self.capacity

    def set_limit(self, size=None, fraction=None):
        self.capacity = size or 80 * 2**30


pool = _Pool()
pinned_pool = types.SimpleNamespace(free_all_blocks=lambda: None, n_free_blocks=lambda: 0)


class PooledMemory:
    """`cupy.cuda.memory.PooledMemory`: bytes that go back to the pool when nobody has them any more."""

    def __init__(self, n, device_id):
        self.device_id, self.size = device_id, pool.take(n, device_id)

    def __del__(self):
        if hasattr(self, "size"):
            pool.used[self.device_id] -= self.size


class UnownedMemory:
    """`cupy.cuda.memory.UnownedMemory`: bytes of somebody else's."""

    def __init__(self, owner, device_id):
        self.owner, self.device_id, self.size = owner, device_id, 0


class Memory(PooledMemory):
    """`cupy.cuda.memory.Memory`."""


class MemoryAsync(PooledMemory):
    """`cupy.cuda.memory.MemoryAsync`."""


_pinned = []


def alloc_pinned_memory(n):
    block = (ctypes.c_char * n)()
    _pinned.append((ctypes.addressof(block), n, block))
    return block


def is_memory_pinned(address):
    return any(begin <= address < begin + n for begin, n, _ in _pinned)


def properties(device):
    return {
        "name": b"a double, no GPU",
        "totalGlobalMem": pool.capacity,
        "major": 9,
        "minor": 0,
        "multiProcessorCount": 132,
        "warpSize": 32,
        "sharedMemPerMultiprocessor": 233472,
        "L2cacheSize": 52428800,
    }


def module():
    """Return what stands for the module `cupy.cuda`."""
    cuda = types.ModuleType("cupy.cuda")
    cuda.counts = counts
    cuda.runtime = types.SimpleNamespace(
        getDeviceCount=lambda: devices,
        getDevice=lambda: _thread.device,
        setDevice=lambda i: Device(i).use(),
        getDeviceProperties=properties,
        runtimeGetVersion=lambda: 13000,
        driverGetVersion=lambda: 13000,
        CUDARuntimeError=CUDARuntimeError,
        is_hip=False,
    )
    cuda.Device, cuda.Stream, cuda.ExternalStream, cuda.Event = Device, Stream, ExternalStream, Event
    cuda.get_current_stream = get_current_stream
    cuda.get_device_id = lambda: _thread.device
    cuda.is_available = lambda: True
    cuda.get_elapsed_time = lambda first, second: 0.0
    cuda.alloc_pinned_memory = alloc_pinned_memory
    cuda.pinned_memory = types.SimpleNamespace(is_memory_pinned=is_memory_pinned)
    cuda.memory = types.SimpleNamespace(
        PooledMemory=PooledMemory, Memory=Memory, MemoryAsync=MemoryAsync, OutOfMemoryError=OutOfMemoryError
    )
    cuda.device = types.ModuleType("cupy.cuda.device")
    cuda.device.Device = Device
    cuda.stream = types.SimpleNamespace(Event=Event, Stream=Stream)
    return cuda
