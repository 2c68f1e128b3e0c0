import json
import zlib
from uuid import UUID, uuid5

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from conversations.cursor import Want, WatchState, advance, parse_cursor, replay, resume
from conversations.live_event import LiveEvent
from conversations.partial import PartialText
from tests.conversations.live_story import NOW, SESSION, PlainClient, ephemeral, fact

PIECES = st.sampled_from(["a", "ño", " ", "🎉", "e\u0301", "tubo de 3/4", "\n"])
SPEECH = st.lists(PIECES, max_size=4)


class Server:
    """One session as the engine writes it: a log of rows, a text in progress, events in the air."""

    def __init__(self) -> None:
        self.log: list[LiveEvent] = []
        self.air: list[LiveEvent] = []
        self.texts: dict[str, str] = {}
        self.partial: PartialText | None = None
        self.task: UUID | None = None
        self.attempt = self.known_seq = self.num_tasks = 0

    def record(self, kind: str, **data: object) -> None:
        event = fact(len(self.log) + 1, kind, task_id=self.task, **data)
        self.log.append(event)
        self.air.append(event)

    def whisper(self, kind: str, **data: object) -> None:
        event = ephemeral(kind, dict(data), seq=self.known_seq, task_id=self.task)
        self.air.append(event)

    @property
    def message(self) -> UUID:
        return uuid5(self.task, "answer")

    def begin(self) -> None:
        self.num_tasks += 1
        self.task, self.attempt = UUID(int=self.num_tasks), 1
        self.record("step.recorded", number=1)
        self.known_seq = len(self.log)
        self.whisper("step.started", number=2)
        self.partial = PartialText(self.message, "1.2", "")

    def say(self, piece: str) -> None:
        offset = len(self.partial.text)
        self.partial = PartialText(self.message, self.partial.stream, self.partial.text + piece)
        self.whisper(
            "message.delta",
            message_id=str(self.message),
            stream=self.partial.stream,
            offset=offset,
            text=piece,
        )

    def restart(self, *, knows_seq: bool) -> None:
        self.attempt += 1
        self.known_seq = len(self.log) if knows_seq else 0
        self.partial = PartialText(self.message, f"{self.attempt}.2", "")
        self.whisper("message.reset", message_id=str(self.message), stream=f"{self.attempt}.2")

    def end(self, *, completes: bool) -> None:
        if completes:
            self.texts[str(self.message)] = self.partial.text
            answer = {"message_id": str(self.message), "content": self.partial.text}
            self.record("chat.response", **answer)
        status = "completed" if completes else "cancelled"
        self.record("task.status_changed", status=status)
        self.partial = self.task = None


class Watching(RuleBasedStateMachine):
    """Live events reach the watcher in any order, twice or never; the client drops its socket."""

    def __init__(self) -> None:
        super().__init__()
        self.server, self.client, self.state = Server(), PlainClient(), WatchState()
        self.is_store_down = False

    def show(self, advanced: tuple) -> Want:
        self.state, frames, want = advanced
        for frame in frames:
            self.client.take(json.loads(frame.text))
        return want

    def catch_up(self) -> None:
        for row in self.server.log:
            self.show(replay(self.state, row))

    def read_partial(self, *, ends_with: bool | None = None) -> None:
        """The store may know nothing; it forgets a text some time after the commit completes it."""
        partial, task = self.server.partial, self.server.task
        if self.is_store_down:
            partial = None
        if ends_with is not None:
            self.server.end(completes=ends_with)
        self.catch_up()
        if partial is not None:
            self.show(resume(self.state, partial, session_id=SESSION, task_id=task, at=NOW))

    @precondition(lambda self: self.server.task is None)
    @rule(pieces=SPEECH)
    def a_task_begins(self, pieces: list[str]) -> None:
        self.server.begin()
        self.the_model_speaks(pieces)

    @precondition(lambda self: self.server.task is not None)
    @rule(pieces=SPEECH)
    def the_model_speaks(self, pieces: list[str]) -> None:
        for piece in pieces:
            self.server.say(piece)

    @precondition(lambda self: self.server.task is not None)
    @rule(knows_seq=st.booleans(), pieces=SPEECH)
    def another_worker_takes_over(self, knows_seq: bool, pieces: list[str]) -> None:
        self.server.restart(knows_seq=knows_seq)
        self.the_model_speaks(pieces)

    @precondition(lambda self: self.server.task is not None and self.server.attempt > 1)
    @rule(piece=PIECES)
    def the_replaced_worker_still_speaks(self, piece: str) -> None:
        self.server.whisper(
            "message.delta",
            message_id=str(self.server.message),
            stream=f"{self.server.attempt - 1}.2",
            offset=0,
            text=piece,
        )

    @rule()
    def the_customer_writes_meanwhile(self) -> None:
        self.server.record("message.created", role="user")

    @precondition(lambda self: self.server.task is not None)
    @rule(completes=st.booleans())
    def the_task_ends(self, completes: bool) -> None:
        self.server.end(completes=completes)

    @precondition(lambda self: self.server.task is not None)
    @rule(completes=st.booleans())
    def the_task_ends_while_its_text_is_read(self, completes: bool) -> None:
        self.read_partial(ends_with=completes)

    @precondition(lambda self: self.server.air)
    @rule(ages=st.lists(st.integers(1, 8), min_size=1, max_size=5))
    def events_arrive(self, ages: list[int]) -> None:
        for age in ages:
            self.arrive(self.server.air[-min(age, len(self.server.air))])

    def arrive(self, event: LiveEvent) -> None:
        want = self.show(advance(self.state, event))
        if want is Want.CATCH_UP:
            self.catch_up()
            want = self.show(advance(self.state, event, after=want))
        if want is Want.PARTIAL:
            is_running = self.server.task == event.task_id
            self.read_partial()
            if is_running:
                self.show(advance(self.state, event, after=want))

    @rule()
    def the_newest_events_arrive_in_order(self) -> None:
        for event in self.server.air[-6:]:
            self.show(advance(self.state, event))

    @rule(has_partial=st.booleans())
    def the_client_comes_back(self, has_partial: bool) -> None:
        self.state = parse_cursor(self.client.cursor)
        if has_partial:
            self.read_partial()

    @rule()
    def the_store_fails_or_recovers(self) -> None:
        self.is_store_down = not self.is_store_down

    @rule()
    def nothing_is_lost_in_the_end(self) -> None:
        self.catch_up()
        assert self.client.durable == list(range(1, len(self.server.log) + 1))
        assert self.client.answers == self.server.texts

    @invariant()
    def every_event_is_seen_once_in_order(self) -> None:
        assert self.client.durable == list(range(1, len(self.client.durable) + 1))

    @invariant()
    def the_cursor_holds_the_checksum_of_what_is_shown(self) -> None:
        draft = parse_cursor(self.client.cursor).draft
        if draft is not None:
            text = self.client.texts.get(draft.message_id, "")
            assert (draft.offset, draft.crc) == (len(text), zlib.crc32(text.encode()))

    def teardown(self) -> None:
        self.nothing_is_lost_in_the_end()


Watching.TestCase.settings = settings(
    max_examples=200,
    stateful_step_count=25,
    deadline=None,
)
TestAnyOrder = Watching.TestCase
