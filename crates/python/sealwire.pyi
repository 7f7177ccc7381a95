"""Be a device of a Sealwire consortium.

    import sealwire

    with sealwire.Device("/var/lib/press-7") as device:
        device.connect()
        device.publish("acme/press-7/temperature", b'[{"n":"temperature","u":"Cel","v":21.5}]')
        for message in device.subscribe("acme/press-7/setpoint"):
            print(message.topic, message.content)

Calls wait, up to their timeout (in seconds); meanwhile other Python threads run, and Ctrl-C ends the
wait. All objects may be used by many threads. After `os.fork()` only the parent may use them. Each
open device has one thread of its own.

Every error is an `Error`; its text says what is wrong and what to do.
"""

import os
from types import TracebackType
from typing import Iterator, Optional, Type, Union, final

__all__ = [
    "AwayError",
    "Device",
    "EndedError",
    "Error",
    "HomeError",
    "InternalError",
    "Message",
    "MisuseError",
    "Record",
    "Records",
    "RefusedError",
    "Subscription",
    "TimeoutError",
    "TooLargeError",
    "UnreadableError",
    "UntrustedError",
    "__version__",
    "token",
]

__version__: str

class Error(Exception):
    """Something went wrong."""

class MisuseError(Error):
    """The call or an argument isn't what the function takes: correct the program."""

class HomeError(Error):
    """The home directory can't be used: correct its files, the passphrase or peers.json."""

class AwayError(Error):
    """A gateway or the ledger can't be reached, is busy or isn't that far yet: try again later."""

class RefusedError(Error):
    """A gateway or the ledger says no: get the right, or another certificate."""

class UntrustedError(Error):
    """What came isn't proven: a gateway, node or archive that isn't to be believed."""

class UnreadableError(Error):
    """One message or record can't be opened; others may: go on with the iterator."""

class TooLargeError(Error):
    """The message is larger than the gateway takes: 1 MiB unless its operator says otherwise."""

class TimeoutError(Error):
    """The time was over. Whether the gateway did what was asked isn't known."""

class EndedError(Error):
    """There is no session, or it has ended."""

class InternalError(Error):
    """The operating system refused, or Sealwire has a defect."""

@final
class Message:
    """A message of a subscription, opened, its sender's signature checked."""

    @property
    def topic(self) -> str: ...
    @property
    def content(self) -> bytes: ...
    @property
    def content_type(self) -> Optional[str]:
        """As 'application/senml+json'; None on an open topic."""
    @property
    def sender(self) -> Optional[str]:
        """Who signed it; None on an open topic."""
    @property
    def sequence(self) -> Optional[int]:
        """The sender's count, under its signature; None on an open topic.

        A message that comes twice comes with the same one."""
    @property
    def is_retained(self) -> bool:
        """Whether the gateway kept it from before the subscription."""

@final
class Record:
    """A record of an archive: its package checked against the ledger, opened, its sender's
    signature checked."""

    @property
    def topic(self) -> str: ...
    @property
    def content(self) -> bytes: ...
    @property
    def content_type(self) -> Optional[str]:
        """None on an open topic."""
    @property
    def sender(self) -> str:
        """Who signed it; on an open topic, whom the gateway names."""
    @property
    def sequence(self) -> Optional[int]:
        """None on an open topic."""
    @property
    def received_ms(self) -> int:
        """When the gateway received it, milliseconds since 1970."""
    @property
    def package(self) -> str:
        """Id of its package, 64 hexadecimal digits."""
    @property
    def package_number(self) -> int:
        """The gateway's number of its package: `after`, to go on behind it."""
    @property
    def index(self) -> int:
        """Place in the package, from 0."""
    @property
    def anchored_height(self) -> int:
        """Height of the ledger's block that anchored the package."""

@final
class Subscription:
    """Messages that come. Iterating waits for each, and ends when the device is disconnected or
    the subscription is closed.

    A message is acknowledged to the gateway when it is taken, and not before. 128 may be untaken,
    then the gateway waits.

    Raises UnreadableError for a message that can't be opened (iterate again to go on), EndedError
    when the gateway ended session or subscription."""

    def receive(self, timeout: Optional[float] = None) -> Optional[Message]:
        """The next message; None after the end. Raises TimeoutError when none came."""
    def close(self) -> None:
        """Unsubscribes."""
    def __iter__(self) -> Iterator[Message]: ...
    def __next__(self) -> Message: ...
    def __enter__(self) -> "Subscription": ...
    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None: ...

@final
class Records:
    """Records of a topic in an archive, oldest first. Ends before the first that isn't anchored on
    the ledger yet.

    Raises UntrustedError when the archive's answer was changed, UnreadableError for a record that
    can't be opened (iterate again to go on)."""

    def __iter__(self) -> Iterator[Record]: ...
    def __next__(self) -> Record: ...

@final
class Device:
    """A device or user: its home, as `sealwire device enrol` makes it, and its session at a gateway.

    Leaving a `with` block disconnects. Open a home once per process."""

    def __new__(
        cls, home: Union[str, "os.PathLike[str]"], passphrase: Optional[str] = None
    ) -> "Device":
        """Reads the home's files, asks nobody. Raises HomeError."""
    @staticmethod
    def enrol(
        home: Union[str, "os.PathLike[str]"],
        code: str,
        desk: str,
        genesis: Union[str, "os.PathLike[str]"],
        passphrase: Optional[str] = None,
        timeout: float = 60.0,
    ) -> "Device":
        """Gets a certificate by an enrolment code, makes the home, and opens it. The key is made there
        and never leaves it.

        `desk` is the organisation's, as 'http://10.0.0.1:7406'; `genesis` the file that all is checked
        against. After an error call it again: it goes on with the same key, and a home that this code
        made is opened. Raises RefusedError for a code that is unknown, used, expired or closed."""
    def renew(self, desk: Optional[str] = None, timeout: float = 60.0) -> bool:
        """Renews the certificate, if it is time; whether there is another one now. Call it daily.

        A new key and certificate, on the ledger and in the home; an open session goes on. `desk`:
        unless the home knows it. Raises RefusedError when the certificate has ended, was suspended or
        revoked: then an operator must open another enrolment."""
    @property
    def client(self) -> str:
        """Its client id, as 'acme.press-7'."""
    @property
    def is_connected(self) -> bool:
        """Whether there is a session; one that is being made again counts."""
    def connect(self, gateway: Optional[str] = None, timeout: float = 20.0) -> "Device":
        """Logs in by SM2 at a gateway of its peers.json, by client id, or at the first; gives itself.

        A connection that is lost later is made again by itself, subscriptions included."""
    def disconnect(self) -> None:
        """Says goodbye and ends the session, within 3 seconds; subscriptions end."""
    def publish(
        self,
        topic: str,
        content: bytes,
        content_type: str = "application/senml+json",
        qos: int = 1,
        timeout: float = 30.0,
    ) -> Optional[int]:
        """Publishes: sealed and signed, or as it is on an open topic. Gives the sequence; None on an
        open topic.

        Returns when the gateway has it: at QoS 1 on its disk, at QoS 0 in a buffer of ours. Raises
        RefusedError without a right. After TimeoutError it may arrive all the same."""
    def subscribe(self, filter: str, timeout: float = 30.0) -> Subscription:
        """Subscribes at QoS 1 to a topic, or an MQTT filter that a grant covers."""
    def token(self, gateway: Optional[str] = None, life_s: int = 60) -> str:
        """A password for one login of another MQTT client, whose user name and client id are the
        device's. Good for 1 to 300 seconds, at that gateway alone. Asks nobody."""
    def records(
        self,
        topic: str,
        gateway: Optional[str] = None,
        after: int = 0,
        timeout: float = 60.0,
    ) -> Records:
        """The records of a topic in a gateway's archive, behind package number `after`. Needs no
        session. `timeout` is for each record. The gateway records on the ledger who fetched what."""
    def receipt(
        self, package: str, index: int, gateway: Optional[str] = None, timeout: float = 30.0
    ) -> bytes:
        """The receipt file of a record, which `sealwire receipt verify` and anyone else can verify
        with genesis alone."""
    def __enter__(self) -> "Device": ...
    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None: ...

def token(
    home: Union[str, "os.PathLike[str]"],
    gateway: Optional[str] = None,
    life_s: int = 60,
    passphrase: Optional[str] = None,
) -> str:
    """A password for one login of another MQTT client, as the device whose home this is."""
