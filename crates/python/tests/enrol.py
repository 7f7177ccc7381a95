"""A device in Python that gets its own certificate by a code, and renews it. The test that runs this
(crates/sealwire/tests/system/identity.rs) has opened the enrolment and allowed renewal at once.

    enrol.py HOME CODE DESK GENESIS           enrols
    enrol.py HOME CODE DESK GENESIS TOPIC     publishes, renews, publishes
"""

import sys
import time

import sealwire

home, code, desk, genesis, *more = sys.argv[1:]


def raises(kind, call, *arguments):
    try:
        call(*arguments)
    except kind as error:
        return error
    raise AssertionError(f"{call} doesn't raise {kind}")


raises(sealwire.MisuseError, sealwire.Device.enrol, home, "no code", desk, genesis)
raises(sealwire.MisuseError, sealwire.Device.enrol, home, code, desk, "/nowhere")
device = sealwire.Device.enrol(home, code, desk, genesis)
client = device.client
if not more:
    print(f"{client} is enrolled")
    sys.exit()

# Enrolled by the run before: the same call opened what that had made.
topic = more[0]
with device.connect():
    device.publish(topic, b"21.5")
    # The next certificate must end in a later second.
    time.sleep(1.1)
    assert device.renew()
    # The session goes on, with the new certificate.
    assert device.is_connected
    device.publish(topic, b"21.6")
with sealwire.Device(home).connect() as again:
    again.publish(topic, b"21.7")
print(f"{client} renewed itself")
