"""A device and a reader in Python, at a real gateway on a real ledger. The test that runs this
(crates/sealwire/tests/system/bindings.rs) has enrolled both and granted the reader's right.

    device.py DEVICE_HOME READER_HOME READER_GATEWAY TOPIC MESSAGES RECEIPT_FILE STUB_FILE
"""

import ast
import os
import pathlib
import signal
import sys
import threading
import time

import sealwire

device_home, reader_home, gateway, topic, messages, receipt_file, stub_file = sys.argv[1:]
messages = int(messages)


def raises(kind, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except kind as error:
        assert isinstance(error, sealwire.Error) and str(error), repr(error)
        return error
    raise AssertionError(f"{call} doesn't raise {kind}")


def the_stub_names_what_there_is():
    """Every class, method and function of the stub is there, and nothing else."""
    stub = ast.parse(pathlib.Path(stub_file).read_text())
    public = lambda thing: {name for name in dir(thing) if not name.startswith("_")}
    classes = [node for node in stub.body if isinstance(node, ast.ClassDef)]
    functions = [node for node in stub.body if isinstance(node, ast.FunctionDef)]
    assert public(sealwire) == {node.name for node in classes + functions}, public(sealwire)
    for node in classes:
        there = getattr(sealwire, node.name)
        if issubclass(there, Exception):
            assert issubclass(there, sealwire.Error)
            continue
        said = {f.name for f in node.body if isinstance(f, ast.FunctionDef)}
        assert public(there) == {name for name in said if not name.startswith("_")}, node.name
        for name in said:
            assert hasattr(there, name), f"{node.name}.{name}"


def misuse():
    raises(sealwire.HomeError, sealwire.Device, "/nowhere/at/all")
    device = sealwire.Device(pathlib.Path(device_home))
    raises(sealwire.EndedError, device.publish, topic, b"x")
    raises(sealwire.MisuseError, device.publish, "a/+/b", b"x")
    raises(sealwire.MisuseError, device.publish, topic, b"x", qos=2)
    raises(sealwire.MisuseError, device.connect, timeout=-1.0)
    raises(sealwire.MisuseError, device.token, life_s=301)
    raises(sealwire.HomeError, device.connect, "nobody.gateway")
    raises(sealwire.TooLargeError, device.publish, topic, bytes((1 << 20) + 1))


def exchange(device, reader):
    with reader.subscribe(topic) as subscription:
        raises(sealwire.TimeoutError, subscription.receive, timeout=0.2)
        for number in range(messages):
            content = b"reading %d" % number
            sequence = device.publish(topic, content, content_type="text/plain")
            message = subscription.receive(timeout=60)
            assert (message.topic, message.content) == (topic, content)
            assert (message.sender, message.sequence) == (device.client, sequence)
            assert message.content_type == "text/plain" and not message.is_retained
    assert subscription.receive() is None, "it is closed"
    raises(sealwire.RefusedError, reader.publish, topic, b"x")
    raises(sealwire.RefusedError, reader.subscribe, "nobody/knows/this")


def other_threads_run_while_one_waits(reader):
    ticks, stop = [], threading.Event()

    def tick():
        while not stop.wait(0.01):
            ticks.append(1)

    thread = threading.Thread(target=tick)
    with reader.subscribe(topic) as subscription:
        thread.start()
        raises(sealwire.TimeoutError, subscription.receive, timeout=1.0)
        stop.set()
        thread.join()
    assert len(ticks) > 20, f"only {len(ticks)} ticks in a second"


def ctrl_c_ends_a_wait(reader):
    with reader.subscribe(topic) as subscription:
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        start = time.monotonic()
        try:
            for message in subscription:
                raise AssertionError(f"nobody sent {message}")
            raise AssertionError("it ended by itself")
        except KeyboardInterrupt:
            assert time.monotonic() - start < 5


def a_loop_ends_with_the_session(reader):
    timer = threading.Timer(0.3, reader.disconnect)
    timer.start()
    for message in reader.subscribe(topic):
        raise AssertionError(f"nobody sent {message}")
    timer.join()
    assert not reader.is_connected


def archived(device, reader):
    """An archive closes a package after some seconds, and its anchor takes a block."""
    deadline = time.monotonic() + 120
    while True:
        records = list(reader.records(topic, gateway=gateway))
        if len(records) == messages:
            break
        assert time.monotonic() < deadline, f"{len(records)} of {messages} records"
        time.sleep(0.5)
    for number, record in enumerate(records):
        assert record.content == b"reading %d" % number and record.topic == topic
        assert record.sender == device.client and record.anchored_height > 0
        assert abs(record.received_ms / 1000 - time.time()) < 3600
    assert list(reader.records(topic, gateway=gateway, after=records[-1].package_number)) == []
    first = records[0]
    receipt = reader.receipt(first.package, first.index, gateway=gateway)
    pathlib.Path(receipt_file).write_bytes(receipt)


# A program that was started in the background ignores Ctrl-C; this one is to be ended by it.
signal.signal(signal.SIGINT, signal.default_int_handler)
the_stub_names_what_there_is()
misuse()
with sealwire.Device(device_home) as device, sealwire.Device(reader_home) as reader:
    assert device.connect() is device and device.is_connected
    reader.connect(gateway, timeout=30)
    raises(sealwire.MisuseError, device.connect)
    exchange(device, reader)
    other_threads_run_while_one_waits(reader)
    ctrl_c_ends_a_wait(reader)
    archived(device, reader)
    a_loop_ends_with_the_session(reader)
    assert sealwire.token(device_home) != device.token(gateway, life_s=300)
assert not device.is_connected
print(f"{messages} messages of {topic}")
